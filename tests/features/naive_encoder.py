"""What the encoder must give, value by value, in loops that nobody would serve with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.core.keys import key_of
from app.core.request import Candidates, FieldValue, UserContext
from app.core.schema import FeatureSchema

Request = tuple[UserContext, Candidates]

OOV_ROW = 1


@dataclass
class NaiveBatch:
    """Lists where the encoder has arrays."""

    lengths: list[int] = field(default_factory=list)
    behaviors: list[list[int]] = field(default_factory=list)
    user_sparse: list[list[int]] = field(default_factory=list)
    user_dense: list[list[float]] = field(default_factory=list)
    candidates: list[list[int]] = field(default_factory=list)
    candidate_sparse: list[list[int]] = field(default_factory=list)
    candidate_dense: list[list[float]] = field(default_factory=list)
    user_of: list[int] = field(default_factory=list)
    unknown_items: list[int] = field(default_factory=list)
    unknown_ids: dict[str, int] = field(default_factory=dict)


class NaiveEncoder:
    """`known` are the raw ids of each sparse field."""

    def __init__(self, schema: FeatureSchema, known: Mapping[str, Sequence[str]]) -> None:
        self._schema = schema
        self._items = schema.behavior_fields
        self._rows = {
            name: {key: 2 + rank for rank, key in enumerate(sorted(map(key_of, set(ids))))}
            for name, ids in known.items()
        }

    def encode(self, requests: Sequence[Request]) -> NaiveBatch:
        batch = NaiveBatch(unknown_ids={field.name: 0 for field in self._schema.sparse_fields})
        for index, (user, candidates) in enumerate(requests):
            batch.unknown_items.append(0)
            self._encode_user(batch, user)
            for number in range(len(candidates)):
                batch.user_of.append(index)
                self._encode_candidate(batch, user, candidates, number)
        return batch

    def _encode_user(self, batch: NaiveBatch, user: UserContext) -> None:
        schema = self._schema
        keys = user.behaviors.keys_TF.tolist()[-schema.max_behaviors :]
        batch.lengths.append(len(keys))
        for item_key, category_key in keys:
            of_field = {"item_id": item_key, "category_id": category_key}
            rows = [self._row_of_key(batch, f.name, of_field[f.name]) for f in self._items]
            batch.behaviors.append(rows)
            batch.unknown_items[-1] += rows[0] == OOV_ROW
        of_source = {"profile": user.profile, "context": user.context, "candidate": {}, "any": {}}
        values = {
            field.name: of_source[field.source].get(field.name) for field in schema.side_fields
        }
        values["user_id"] = user.user_id
        batch.user_sparse.append(
            [self._row(batch, f.name, values.get(f.name)) for f in schema.user_sparse_fields]
        )
        batch.user_dense.append(
            [standardized(values.get(f.name), f.mean, f.std) for f in schema.user_dense_fields]
        )

    def _encode_candidate(
        self, batch: NaiveBatch, user: UserContext, candidates: Candidates, number: int
    ) -> None:
        schema = self._schema
        values = {name: column[number] for name, column in candidates.fields.items()}
        for one in schema.side_fields:
            if one.source == "any":
                places = (values, user.context, user.profile)
                given = [place[one.name] for place in places if place.get(one.name) is not None]
                values[one.name] = given[0] if given else None
        rows = [self._row(batch, f.name, values[f.name]) for f in self._items]
        batch.candidates.append(rows)
        batch.unknown_items[-1] += rows[0] == OOV_ROW
        batch.candidate_sparse.append(
            [self._row(batch, f.name, values.get(f.name)) for f in schema.candidate_sparse_fields]
        )
        batch.candidate_dense.append(
            [standardized(values.get(f.name), f.mean, f.std) for f in schema.candidate_dense_fields]
        )

    def _row(self, batch: NaiveBatch, name: str, value: FieldValue) -> int:
        return self._row_of_key(batch, name, key_of(id_text(value)))

    def _row_of_key(self, batch: NaiveBatch, name: str, key: int) -> int:
        row = self._rows[name].get(key, OOV_ROW)
        batch.unknown_ids[name] += row == OOV_ROW
        return row


def id_text(value: FieldValue) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and math.isfinite(value) and value == math.floor(value):
        return str(math.floor(value))
    return str(value)


def standardized(value: FieldValue, mean: float, std: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = mean
    if not math.isfinite(number):
        number = mean
    return max(-1e6, min(1e6, (number - mean) / std))
