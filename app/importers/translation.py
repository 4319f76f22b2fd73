"""A library's model in our names and our order: features, architecture and weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from app.core.schema import DenseSideField, FeatureSchema, SparseField, SparseSideField
from app.errors import StartupRefused
from app.features.vocabulary import Vocabulary
from app.importers.columns import Part
from app.importers.field_names import CATEGORY, ITEM, USER, FieldNames
from app.importers.source_model import Architecture, SourceModel
from app.importers.vocabularies import IndexedIds, table_of
from app.models.factory import Model, build_model

BEHAVIOR_FIELDS = (ITEM, CATEGORY)


@dataclass(frozen=True, slots=True)
class Translated:
    """All that a version needs to score."""

    architecture: Architecture
    schema: FeatureSchema
    vocabularies: Mapping[str, Vocabulary]
    weights: Mapping[str, Tensor]

    def model(self) -> Model:
        """Ready to score."""
        model = build_model(self.architecture, self.schema)
        model.load_state_dict(dict(self.weights))
        return model.eval().requires_grad_(requires_grad=False)


def translate(source: SourceModel, names: FieldNames, ids: Mapping[str, IndexedIds]) -> Translated:
    """`ids` by the library's name of a feature. Raises StartupRefused for ids that collide."""
    tables = {
        names.one(feature.name): table_of(feature, ids[feature.name])
        for feature in source.categorical
    }
    schema = _schema(source, names, {name: table_RE for name, (_, table_RE) in tables.items()})
    groups = tuple(tuple(map(names.one, group)) for group in source.network.groups)
    architecture = source.network.architecture.model_copy(update={"field_groups": groups})
    weights = {
        **{f"embedding.tables.{name}.weight": table_RE for name, (_, table_RE) in tables.items()},
        **_interests(source),
        **_tower(source, _inputs(source, names, schema)),
    }
    return Translated(
        architecture,
        schema,
        {name: vocabulary for name, (vocabulary, _) in tables.items()},
        {name: _stored(name, tensor) for name, tensor in weights.items()},
    )


def _schema(
    source: SourceModel, names: FieldNames, table_of_field: Mapping[str, Tensor]
) -> FeatureSchema:
    def sparse(name: str) -> SparseField:
        rows, width = table_of_field[name].shape
        return SparseField(name=name, embedding_dim=width, rows=rows)

    beside = [name for name in table_of_field if name not in (*BEHAVIOR_FIELDS, USER)]
    numbers = [name for feature in source.numeric for name in names.fields[feature.name]]
    return FeatureSchema(
        behavior_fields=tuple(sparse(name) for name in BEHAVIOR_FIELDS if name in table_of_field),
        user_id=sparse(USER) if USER in table_of_field else None,
        side_fields=(
            *(SparseSideField(source="any", **sparse(name).model_dump()) for name in beside),
            *(DenseSideField(source="any", name=name) for name in numbers),
        ),
        max_behaviors=source.network.max_behaviors,
    )


def _interests(source: SourceModel) -> dict[str, Tensor]:
    return {
        f"interests.{index}.{name}": tensor
        for index, interest in enumerate(source.network.interests)
        for name, tensor in interest.items()
    }


def _tower(source: SourceModel, inputs: Iterator[Part]) -> dict[str, Tensor]:
    first_HI = torch.cat([source.first_columns[part] for part in inputs], dim=1)
    return source.network.tower.with_first_weight(first_HI).as_mlp("mlp")


def _inputs(source: SourceModel, names: FieldNames, schema: FeatureSchema) -> Iterator[Part]:
    """What the MLP of an `InterestModel` gets, in its order."""
    feature_of = {names.one(feature.name): feature.name for feature in source.categorical}
    fields = (*schema.user_sparse_fields, *schema.behavior_fields)
    yield from (Part("feature", feature_of[field.name]) for field in fields)
    for group in range(len(source.network.groups)):
        if source.network.architecture.sum_pooling:
            yield Part("sum", group)
            yield Part("product", group)
        yield Part("interest", group)
    for field in schema.candidate_sparse_fields:
        yield Part("feature", feature_of[field.name])
    yield from (Part("feature", feature.name) for feature in source.numeric)


def _stored(name: str, tensor: Tensor) -> Tensor:
    """In single precision. Raises StartupRefused for a number that is too large for it."""
    if not tensor.is_floating_point():
        return tensor
    single = tensor.float().contiguous()
    if not single.isfinite().all():
        raise StartupRefused(f"{name} would have numbers that are too large for single precision")
    return single
