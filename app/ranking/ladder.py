"""Which rung of the ladder an answer stands on, and why: of several, the lowest."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.core.ladder import RUNGS
from app.core.request import Degradation
from app.features.feature_reader import RequestFeatures

PRESSURE = "pressure"  # why a history was cut


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Something that an answer had to do without, and why."""

    rung: Degradation
    reason: str


def lowest(shortfalls: Iterable[Shortfall]) -> Shortfall | None:
    """The one that an answer names; None where nothing is missing."""
    return max(shortfalls, key=lambda shortfall: RUNGS.index(shortfall.rung), default=None)


def shortfall_of(
    features: RequestFeatures, *, scored_behaviors: int, max_behaviors: int
) -> Shortfall | None:
    """Of an answer of the model, which was given so many of the user's newest behaviors.

    Whoever gives it fewer than it reads, and than there are, has cut the history.
    """
    return lowest(_shortfalls(features, scored_behaviors, max_behaviors))


def _shortfalls(
    features: RequestFeatures, scored_behaviors: int, max_behaviors: int
) -> Iterator[Shortfall]:
    reason = features.problems.get("behaviors")
    if reason is not None:
        yield Shortfall("stale_history" if features.stale_history else "no_history", reason)
    if scored_behaviors < min(len(features.user.behaviors), max_behaviors):
        yield Shortfall("truncated_history", PRESSURE)
