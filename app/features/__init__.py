"""From Redis and raw ids to the rows of embedding tables."""
