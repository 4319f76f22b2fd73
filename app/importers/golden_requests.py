"""Requests that an imported version proves itself by; it comes without any samples."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.core.request import BEHAVIOR_FIELDS, FieldValue
from app.core.schema import FeatureSchema
from app.registry.golden import GoldenRequest

CANDIDATES = 4
FIRST_SECOND = 1_700_000_000
UNKNOWN = "an id that no training saw"

RawIds = Mapping[str, Sequence[str]]  # of each categorical field


def draw_golden(schema: FeatureSchema, raw_ids: RawIds) -> list[GoldenRequest]:
    """Histories from none to too long, and one of nothing but unknown items; always the same."""
    draws = _Draws(schema, raw_ids)
    full = schema.max_behaviors
    plain = [draws.request(behaviors) for behaviors in (0, 1, 2, (full + 1) // 2, full, full + 3)]
    unknown = _with_unknown_items(draws.request(2))
    return [*plain, unknown]


class _Draws:
    """Ids and numbers as they come."""

    def __init__(self, schema: FeatureSchema, raw_ids: RawIds) -> None:
        self._schema = schema
        self._raw_ids = raw_ids
        self._random = np.random.default_rng(0)

    def request(self, behaviors: int) -> GoldenRequest:
        candidates = {name: self._values(name, CANDIDATES) for name in BEHAVIOR_FIELDS}
        for field in self._schema.side_fields:
            candidates[field.name] = self._values(field.name, CANDIDATES)
        items, categories = (self._texts(name, behaviors) for name in BEHAVIOR_FIELDS)
        seconds = range(FIRST_SECOND, FIRST_SECOND + behaviors)
        return GoldenRequest(
            user_id=self._texts("user_id", 1)[0],
            behaviors=tuple(zip(items, categories, seconds, strict=True)),
            candidates=candidates,
        )

    def _values(self, name: str, count: int) -> tuple[FieldValue, ...]:
        numbers = {field.name for field in self._schema.candidate_dense_fields}
        if name in numbers:
            return tuple(self._random.normal(size=count).round(3).tolist())
        return self._texts(name, count)

    def _texts(self, name: str, count: int) -> tuple[str, ...]:
        """Of a field that the model does not have, ids that nobody knows."""
        known = self._raw_ids.get(name) or (UNKNOWN,)
        return tuple(known[index] for index in self._random.integers(len(known), size=count))


def _with_unknown_items(request: GoldenRequest) -> GoldenRequest:
    candidates = request.candidates | {"item_id": (UNKNOWN,) * CANDIDATES}
    behaviors = tuple((UNKNOWN, category, at) for _, category, at in request.behaviors)
    return request.model_copy(update={"behaviors": behaviors, "candidates": candidates})
