"""Ids of which little was learned become unknown, and their embeddings are dropped."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from app.core.schema import FIRST_ID_ROW, FeatureSchema, SparseField
from app.errors import StartupRefused
from app.training.features import Features

# V known ids of a field, E embedding

Weights = Mapping[str, Tensor]
Field = TypeVar("Field", bound=SparseField)


def fold_ids(
    features: Features, weights: Weights, fields: Sequence[str], share: float
) -> tuple[Features, dict[str, Tensor]]:
    """Without this share of the ids of each of these fields.

    Those go whose embeddings have the smallest norm: rare ids, and others that training let decay.
    Raises StartupRefused for a field without ids.
    """
    known = [field.name for field in features.schema.sparse_fields]
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise StartupRefused(f"--ids-of {unknown[0]}: the fields with ids are {', '.join(known)}")
    pruned, vocabularies = dict(weights), dict(features.vocabularies)
    for name in fields:
        key = f"embedding.tables.{name}.weight"
        kept_V = _largest(weights[key], share)
        special = torch.ones(FIRST_ID_ROW, dtype=torch.bool)
        pruned[key] = weights[key][torch.cat([special, kept_V])]
        vocabularies[name] = vocabularies[name].keeping(kept_V.numpy())
    rows = {name: vocabulary.rows for name, vocabulary in vocabularies.items()}
    return Features(_with_rows(features.schema, rows), vocabularies), pruned


def _largest(table_RE: Tensor, share: float) -> Tensor:
    """[V]: which ids stay."""
    norm_V = table_RE[FIRST_ID_ROW:].norm(dim=1)
    folded = torch.argsort(norm_V, stable=True)[: round(share * len(norm_V))]
    kept_V = torch.ones(len(norm_V), dtype=torch.bool)
    kept_V[folded] = False
    return kept_V


def _with_rows(schema: FeatureSchema, rows: Mapping[str, int]) -> FeatureSchema:
    def resized(field: Field) -> Field:
        return field.model_copy(update={"rows": rows[field.name]})

    return FeatureSchema(
        behavior_fields=tuple(map(resized, schema.behavior_fields)),
        user_id=schema.user_id and resized(schema.user_id),
        side_fields=tuple(
            resized(field) if field.kind == "sparse" else field for field in schema.side_fields
        ),
        max_behaviors=schema.max_behaviors,
    )
