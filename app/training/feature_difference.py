"""What two versions do not read alike, in words."""

from collections.abc import Mapping
from typing import Any

from app.core.schema import FeatureSchema
from app.training.features import Features


def feature_difference(one: Features, other: Features) -> str | None:
    """The first difference, to be read after "they differ in"; None if a row means the same."""
    ours, theirs = _by_name(one.schema), _by_name(other.schema)
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            return _of_field(name, ours.get(name), theirs.get(name))
    if one.schema != other.schema:
        return "the order of their fields"
    for name, vocabulary in one.vocabularies.items():
        if vocabulary.to_bytes() != other.vocabularies[name].to_bytes():
            return f"the ids of {name}"
    return None


def _by_name(schema: FeatureSchema) -> dict[str, Mapping[str, Any]]:
    dense = [*schema.user_dense_fields, *schema.candidate_dense_fields]
    return {
        "max_behaviors": {"number": schema.max_behaviors},
        **{field.name: field.model_dump() for field in schema.sparse_fields},
        **{field.name: field.model_dump() for field in dense},
    }


def _of_field(name: str, ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> str:
    if ours is None or theirs is None:
        return f"{name}, which only one of them reads"
    key = next(key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key))
    return f"the {key} of {name} ({ours.get(key)} and {theirs.get(key)})"
