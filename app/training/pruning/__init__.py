"""Smaller models out of trained ones: units and ids that hardly matter are left out for good."""
