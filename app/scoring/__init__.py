"""Ranking without a server: the rows of a file, through the code that answers requests."""
