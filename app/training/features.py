"""Which features a model reads and the ids it knows, from the training split alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.schema import DenseSideField, FeatureSchema, SideField, SparseField, SparseSideField
from app.errors import StartupRefused
from app.features.vocabulary import Vocabulary
from app.training.columns import Codes, IdColumn
from app.training.samples import Samples
from app.training.side_fields import DeclaredField

# R rows, D distinct ids


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What of the samples becomes features; the embedding size is that of item and category."""

    embedding_dim: int = 18
    max_behaviors: int = 50
    min_count: int = 1
    user_id: bool = False
    side_fields: tuple[DeclaredField, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """The schema and the vocabularies of its sparse fields."""

    schema: FeatureSchema
    vocabularies: Mapping[str, Vocabulary]


def learn_features(train: Samples, options: FeatureOptions) -> Features:
    """Raises StartupRefused for a number of which training has no value at all."""
    dims = {"item_id": options.embedding_dim, "category_id": options.embedding_dim}
    dims |= {"user_id": options.embedding_dim} if options.user_id else {}
    dims |= {field.name: field.dim for field in options.side_fields if field.kind == "sparse"}
    vocabularies = {name: _vocabulary(train, name, options.min_count) for name in dims}
    sparse = {
        name: SparseField(name=name, embedding_dim=dim, rows=vocabularies[name].rows)
        for name, dim in dims.items()
    }
    schema = FeatureSchema(
        behavior_fields=(sparse["item_id"], sparse["category_id"]),
        user_id=sparse.get("user_id"),
        side_fields=tuple(_side_field(train, field, sparse) for field in options.side_fields),
        max_behaviors=options.max_behaviors,
    )
    return Features(schema, vocabularies)


def _vocabulary(train: Samples, name: str, min_count: int) -> Vocabulary:
    """The ids that at least `min_count` users have met, in histories or as candidates.

    Users, because every sample of a user repeats the history; a user's own id needs only one.
    """
    user_U = train.users.ids["user_id"].codes_R
    sources = (
        (train.users, user_U),
        (train.behaviors, np.repeat(user_U, train.lengths_U)),
        (train.candidates, user_U[train.user_of_C]),
    )
    columns = [(source.ids[name], users) for source, users in sources if name in source.ids]
    users_by_id = _users_by_id(columns)
    enough = 1 if name == "user_id" else min_count
    return Vocabulary.of(raw_id for raw_id, users in users_by_id.items() if users >= enough)


def _users_by_id(columns: Sequence[tuple[IdColumn, Codes]]) -> dict[str, int]:
    """How many distinct users each id of these columns has; beside a column, the user per row."""
    codes = {raw_id: 0 for column, _ in columns for raw_id in column.distinct}
    codes = {raw_id: code for code, raw_id in enumerate(codes)}
    pairs = [
        user_R * len(codes)
        + np.array([codes[raw_id] for raw_id in column.distinct], np.int64)[column.codes_R]
        for column, user_R in columns
    ]
    users_D = np.bincount(np.unique(np.concatenate(pairs)) % len(codes), minlength=len(codes))
    return dict(zip(codes, users_D.tolist(), strict=True))


def _side_field(
    train: Samples, field: DeclaredField, sparse: Mapping[str, SparseField]
) -> SideField:
    if field.kind == "sparse":
        return SparseSideField(source=field.source, **sparse[field.name].model_dump())
    source = train.candidates if field.of_candidate else train.users
    numbers = source.numbers[field.name]
    if np.isnan(numbers).all():
        raise StartupRefused(f"--field {field.name}: the training samples have no number in it")
    std = float(np.nanstd(numbers))
    return DenseSideField(
        name=field.name, source=field.source, mean=float(np.nanmean(numbers)), std=std or 1.0
    )
