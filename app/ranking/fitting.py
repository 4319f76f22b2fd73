"""How much of a history there is time for: all of it, or as much as a rung of the ladder leaves."""

from app.core.ladder import truncated_lengths
from app.core.request import UserContext
from app.features.feature_reader import RequestFeatures
from app.inference.admission import Admission, Ticket
from app.inference.cost_model import Size
from app.registry.loaded_version import LoadedVersion


def as_much_as_fits(
    admission: Admission, ticket: Ticket, version: LoadedVersion, features: RequestFeatures
) -> UserContext:
    """The user with the longest history that there is time for beside what is due earlier.

    Raises Overloaded where there is not even time for the shortest.
    """
    if ticket.deadline.remaining_s() <= 0:
        return features.user  # late is not the same as too many; the queue says so
    longest = version.encoder.schema.max_behaviors
    lengths = (longest, *truncated_lengths(longest))
    ticket.least_cost_s = _cost_s(version, features, lengths[-1])
    for length in lengths:
        admission.now_costs(ticket, _cost_s(version, features, length))
        if admission.fits(ticket):
            return features.user.with_newest(length)
    admission.check(ticket)
    return features.user


def _cost_s(version: LoadedVersion, features: RequestFeatures, length: int) -> float:
    """Of the request with at most so many behaviors."""
    behaviors = min(len(features.user.behaviors), length)
    return version.costs.predict_s([Size(len(features.candidates), behaviors)])
