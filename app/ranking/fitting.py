"""How much of a history is scored: the longer the queue, the less, down to the shortest length."""

from collections.abc import Sequence
from functools import cache, lru_cache

from app.core.ladder import truncated_lengths
from app.core.request import UserContext
from app.features.feature_reader import RequestFeatures
from app.inference.admission import Admission, Ticket
from app.inference.cost_model import Size
from app.registry.loaded_version import LoadedVersion

# Of a request's time: by so much earlier than the next shorter length is each one given up. Half
# of a history costs next to no quality and a refusal all of it, so histories are cut well before
# anybody is refused; and the whole ones of the important last while others are refused.
STEP = 1 / 6


def as_much_as_fits(
    admission: Admission, ticket: Ticket, version: LoadedVersion, features: RequestFeatures
) -> UserContext:
    """The user with the longest history that there is time for beside what is due earlier.

    Raises Overloaded where even the shortest would be late.
    """
    if ticket.deadline.remaining_s() <= 0:
        return features.user  # late is not the same as too many; the queue says so
    behaviors = len(features.user.behaviors)
    longer, shortest = lengths_to_try(version.encoder.schema.max_behaviors, behaviors)
    ticket.least_cost_s = _cost_s(version, features, shortest)
    for length, part in longer:
        admission.now_costs(ticket, _cost_s(version, features, length))
        if admission.fits(ticket, part):
            return features.user.with_newest(length)
    admission.now_costs(ticket, ticket.least_cost_s)
    admission.check(ticket)
    return features.user.with_newest(shortest)


@lru_cache(maxsize=2**12)
def lengths_to_try(longest: int, behaviors: int) -> tuple[Sequence[tuple[int, float]], int]:
    """Of a history: lengths, most first, with the part of its time for each, and the shortest."""
    # Of lengths that leave as much of it, the last has the largest part.
    part_of = {min(length, behaviors): part for length, part in parts_of_time(longest)}
    *longer, (shortest, _) = part_of.items()
    return longer, shortest


@cache
def parts_of_time(longest: int) -> list[tuple[int, float]]:
    """Lengths, most first, and in which part of its time a request must find room for each."""
    lengths = (longest, *truncated_lengths(longest))
    return [(length, 1 - STEP * shorter) for shorter, length in enumerate(lengths[::-1])][::-1]


def _cost_s(version: LoadedVersion, features: RequestFeatures, length: int) -> float:
    """Of the request with so many behaviors."""
    return version.costs.predict_s([Size(len(features.candidates), length)])
