"""Other runtimes of a version: made once, measured against it, verified at every load."""
