"""Simulated traffic that an active version and a challenger both score."""

import numpy as np

from app.registry.rollout.comparison import Comparison, group_of
from app.registry.rollout.gate import judge

USERS = 5000
CANDIDATES = 20
LOOK_EVERY = 10  # requests


def ctr_of(logits):
    return 1 / (1 + np.exp(-logits))


def compare(change, requests, *, seed=0, comparison=None, seconds=0.005):
    """Yields the comparison after every few requests; `change` makes the challenger's logits."""
    random = np.random.default_rng(seed)
    comparison = comparison or Comparison()
    for number in range(1, requests + 1):
        user, other = (f"user-{random.integers(USERS)}" for _ in range(2))
        # What is seen of a user in one request says something about the next.
        liking = random.normal(-3, 0.3) + (hash_of(user) - 0.5)
        logits = liking + random.normal(0, 0.8, CANDIDATES)
        comparison.pairs.add(group_of(user), ctr_of(logits), ctr_of(change(logits, random)))
        noise = np.exp(random.normal(0, 0.4, 2))
        comparison.challenger.ended(group_of(user), "scored", seconds * noise[0])
        comparison.active.ended(group_of(other), "scored", 0.005 * noise[1])
        if number % LOOK_EVERY == 0:
            yield number, comparison


def hash_of(user):
    return np.random.default_rng(int(user.removeprefix("user-"))).random()


def first_decision(change, rules, *, seed=0, requests=3000, seconds=0.005):
    """The verdict that ends the rollout, or the last one, and how many requests it took."""
    for number, comparison in compare(change, requests, seed=seed, seconds=seconds):
        verdict = judge(comparison, rules, seconds=0)
        if verdict.decision != "wait":
            return verdict, number
    return verdict, requests


def same(logits, random):
    return logits


def retrained(logits, random):
    """As good, but another one: its opinions differ at random."""
    return logits + random.normal(-0.04, 0.3, len(logits))


def bolder(logits, random):
    return logits + 0.5


def shuffled(logits, random):
    """The same CTRs on average, and spread alike, but for anybody."""
    return random.permutation(logits)


def indifferent(logits, random):
    """Of a request the mean CTR of its candidates, whichever they are."""
    mean = ctr_of(logits).mean()
    return np.full_like(logits, np.log(mean / (1 - mean)))
