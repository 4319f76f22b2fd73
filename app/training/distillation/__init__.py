"""Light nets that learn from stronger ones, which are not served."""
