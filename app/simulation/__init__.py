"""A seeded world of users and ads whose true click probabilities are known."""
