"""A race of model servers on one machine, with one model, one Redis and the same requests."""
