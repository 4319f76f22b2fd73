"""A sample of the requests that were scored, on disk, to score them again."""
