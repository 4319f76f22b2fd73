"""Measurements: what the docs quote, each a program of its own, `python -m bench.NAME`."""
