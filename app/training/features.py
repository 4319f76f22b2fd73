"""Which features a model reads and the ids it knows, from the training split alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from app.core.request import BEHAVIOR_FIELDS
from app.core.schema import DenseSideField, FeatureSchema, SideField, SparseField, SparseSideField
from app.errors import StartupRefused
from app.features.vocabulary import Vocabulary
from app.training.id_users import IdUsers
from app.training.moments import Moments
from app.training.samples import Samples
from app.training.side_fields import DeclaredField

# R rows, U users, C candidates


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


def learn_features(train: Iterable[Samples], options: FeatureOptions) -> Features:
    """From the chunks of the training samples, one after another.

    Raises StartupRefused for a number of which training has no value at all.
    """
    learner = _Learner(options)
    for samples in train:
        learner.add(samples)
        del samples  # before the next chunk is read
    return learner.features()


class _Learner:
    """The ids that at least `min_count` users have met, in histories or as candidates.

    Users, because every sample of a user repeats the history; a user's own id needs only one.
    """

    def __init__(self, options: FeatureOptions) -> None:
        self._options = options
        self._dims = dict.fromkeys(_own_ids(options), options.embedding_dim)
        self._dims |= {field.name: field.dim for field in options.side_fields if field.is_sparse}
        self._ids = {
            name: IdUsers(1 if name == "user_id" else options.min_count) for name in self._dims
        }
        self._numbers = {
            field.name: Moments() for field in options.side_fields if not field.is_sparse
        }

    def add(self, samples: Samples) -> None:
        users = samples.users.ids["user_id"]
        user_U = users.distinct_keys()[users.codes_R]
        of_users = (
            (samples.users, user_U),
            (samples.behaviors, np.repeat(user_U, samples.lengths_U)),
            (samples.candidates, user_U[samples.user_of_C]),
        )
        for columns, user_R in of_users:
            for name in self._ids.keys() & columns.ids.keys():
                self._ids[name].add(columns.ids[name], user_R)
            for name in self._numbers.keys() & columns.numbers.keys():
                self._numbers[name].add(columns.numbers[name])

    def features(self) -> Features:
        vocabularies = {name: Vocabulary.of(ids.known()) for name, ids in self._ids.items()}
        sparse = {
            name: SparseField(name=name, embedding_dim=dim, rows=vocabularies[name].rows)
            for name, dim in self._dims.items()
        }
        schema = FeatureSchema(
            behavior_fields=(sparse["item_id"], sparse["category_id"]),
            user_id=sparse.get("user_id"),
            side_fields=tuple(
                self._side_field(field, sparse) for field in self._options.side_fields
            ),
            max_behaviors=self._options.max_behaviors,
        )
        return Features(schema, vocabularies)

    def _side_field(self, field: DeclaredField, sparse: Mapping[str, SparseField]) -> SideField:
        if field.is_sparse:
            return SparseSideField(source=field.source, **sparse[field.name].model_dump())
        moments = self._numbers[field.name]
        if moments.count == 0:
            raise StartupRefused(f"--field {field.name}: the training samples have no number in it")
        return DenseSideField(
            name=field.name, source=field.source, mean=moments.mean, std=moments.std or 1.0
        )


def _own_ids(options: FeatureOptions) -> tuple[str, ...]:
    return (*BEHAVIOR_FIELDS, "user_id") if options.user_id else BEHAVIOR_FIELDS
