"""The use case: features, scores, calibration, ranks and explanations for one request."""
