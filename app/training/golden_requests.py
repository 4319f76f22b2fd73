"""Golden requests out of the test samples, with the edges that every version must get right."""

import numpy as np

from app.core.schema import FeatureSchema
from app.registry.golden import GoldenRequest
from app.training.requests import SampleRequests
from app.training.samples import Samples
from app.training.side_fields import fields_of

PLAIN_REQUESTS = 4
CANDIDATES = 4
UNKNOWN = "an id that no training saw"

Behaviors = tuple[tuple[str, str, int], ...]


def choose_golden(samples: Samples, schema: FeatureSchema) -> list[GoldenRequest]:
    """Users from few behaviors to many, then: none, one, too many, and unknown items."""
    requests = SampleRequests(samples, fields_of(schema))
    by_length = np.argsort(samples.lengths_U, kind="stable")
    spread = np.linspace(0, len(by_length) - 1, PLAIN_REQUESTS).round().astype(int)
    plain = [_golden(samples, requests, int(user)) for user in by_length[spread]]
    longest = plain[-1]
    too_long = longest.behaviors * (schema.max_behaviors // max(1, len(longest.behaviors)) + 1)
    return [
        *plain,
        longest.model_copy(update={"behaviors": ()}),
        longest.model_copy(update={"behaviors": longest.behaviors[-1:]}),
        longest.model_copy(update={"behaviors": too_long}),
        _with_unknown_items(longest),
    ]


def _golden(samples: Samples, requests: SampleRequests, user: int) -> GoldenRequest:
    first = min(requests.candidates_of(user).start, max(0, len(samples) - CANDIDATES))
    candidates = requests.candidates(slice(first, first + CANDIDATES))
    who = requests.user(user)
    return GoldenRequest(
        user_id=who.user_id,
        behaviors=_raw_behaviors(samples, requests.behaviors_of(user)),
        profile=dict(who.profile),
        context=dict(who.context),
        candidates={name: tuple(values) for name, values in candidates.fields.items()},
    )


def _raw_behaviors(samples: Samples, rows: slice) -> Behaviors:
    ids = samples.behaviors.ids
    times = samples.behavior_times_N[rows].tolist()
    return tuple(zip(ids["item_id"][rows], ids["category_id"][rows], times, strict=True))


def _with_unknown_items(request: GoldenRequest) -> GoldenRequest:
    items = request.candidates["item_id"]
    behaviors = tuple((UNKNOWN, category, at) for _, category, at in request.behaviors)
    unknown = request.candidates | {"item_id": (UNKNOWN,) * len(items)}
    return request.model_copy(update={"behaviors": behaviors, "candidates": unknown})
