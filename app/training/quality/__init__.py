"""What a version's scores are worth on samples: metrics, how sure they are, and where they fail."""
