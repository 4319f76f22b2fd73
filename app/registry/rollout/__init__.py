"""A new version beside the active one: who gets it, how the two compare, and what becomes of it."""
