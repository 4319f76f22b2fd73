"""What is known of two versions after any number of requests: sums over groups of users.

Its size does not depend on how many requests there were, and those of two services add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

import numpy as np
from xxhash import xxh3_64_intdigest

from app.core.batch import Doubles
from app.registry.rollout.rank_correlation import kendall_tau
from app.registry.rollout.score_bins import BINS, binned

GROUPS = 64  # G: enough to know an error by, and each has users soon

Outcome = Literal["scored", "late", "nan", "error"]
OUTCOMES: Sequence[Outcome] = get_args(Outcome)


def _zeros(*shape: int) -> Doubles:
    return np.zeros((GROUPS, *shape))


def group_of(user_id: str) -> int:
    """Of a user, always the same."""
    return xxh3_64_intdigest(user_id.encode(), GROUPS) % GROUPS


@dataclass(frozen=True, slots=True)
class Side:
    """One version alone: how its requests ended, and how long they took."""

    outcomes: Doubles = field(default_factory=lambda: np.zeros(len(OUTCOMES)))
    timed_G: Doubles = field(default_factory=_zeros)
    log_seconds_G: Doubles = field(default_factory=_zeros)

    def ended(self, group: int, outcome: Outcome, seconds: float) -> None:
        """A request of that group of users."""
        self.outcomes[OUTCOMES.index(outcome)] += 1
        self.timed_G[group] += 1
        self.log_seconds_G[group] += np.log(max(seconds, 1e-6))

    @property
    def requests(self) -> int:
        return int(self.outcomes.sum())

    def count(self, outcome: Outcome) -> int:
        return int(self.outcomes[OUTCOMES.index(outcome)])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Requests that both versions scored: differences between them are the versions' own."""

    requests_G: Doubles = field(default_factory=_zeros)
    old_ctr_G: Doubles = field(default_factory=_zeros)  # sums of the means of requests
    new_ctr_G: Doubles = field(default_factory=_zeros)
    ranked_G: Doubles = field(default_factory=_zeros)  # requests that have an order
    tau_G: Doubles = field(default_factory=_zeros)
    old_bins_GB: Doubles = field(default_factory=lambda: _zeros(BINS))
    new_bins_GB: Doubles = field(default_factory=lambda: _zeros(BINS))

    def add(self, group: int, old_ctr_C: Doubles, new_ctr_C: Doubles) -> None:
        """The same candidates in the same order; all CTRs are finite."""
        self.requests_G[group] += 1
        self.old_ctr_G[group] += old_ctr_C.mean()
        self.new_ctr_G[group] += new_ctr_C.mean()
        self.old_bins_GB[group] += binned(old_ctr_C)
        self.new_bins_GB[group] += binned(new_ctr_C)
        tau = kendall_tau(old_ctr_C, new_ctr_C)
        if tau is not None:
            self.ranked_G[group] += 1
            self.tau_G[group] += tau

    @property
    def requests(self) -> int:
        return int(self.requests_G.sum())

    @property
    def ranked(self) -> int:
        return int(self.ranked_G.sum())


@dataclass(frozen=True, slots=True)
class Comparison:
    """The active version and its challenger."""

    active: Side = field(default_factory=Side)
    challenger: Side = field(default_factory=Side)
    pairs: Pairs = field(default_factory=Pairs)

    def merge(self, other: "Comparison") -> None:
        """As if all that the other one saw had been seen here."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            for sums in fields(mine):
                # Arrays are added to in place: the parts are frozen.
                total = getattr(mine, sums.name)
                total += getattr(theirs, sums.name)
