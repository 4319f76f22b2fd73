"""ctr-serve: an online CTR inference service that knows its model."""
