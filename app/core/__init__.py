"""The nouns that every other package speaks: requests, behaviors, feature schemas, batches."""
