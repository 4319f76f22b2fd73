"""The papers and nothing else: each model answers two verbs, `encode_users` and `score`."""
