"""A trained DIEN or DIN as the one structure that the kernel scores with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.schema import FeatureSchema
from app.inference.fused.arena import Arena
from app.inference.fused.interests import make_interest
from app.inference.fused.layers import linears_of, make_layer
from app.inference.fused.support import FusedArchitecture
from app.inference.fused.tables import make_table
from app.kernels.packing import columns
from app.kernels.structures import Interest, Layer, Model, Table
from app.models.factory import Model as TorchModel
from app.models.interest_model import InterestModel


@dataclass(frozen=True, slots=True)
class FusedWeights:
    """The structure, and the memory that it points to."""

    model: Model
    arena: Arena


def pack(model: TorchModel, config: FusedArchitecture, schema: FeatureSchema) -> FusedWeights:
    """The tables are shared with the torch model, everything else is a packed copy."""
    if not isinstance(model, InterestModel):
        raise TypeError(f"the fused kernel has no {type(model).__name__}")
    arena = Arena()
    interests = [
        make_interest(
            arena, interest, config, _fields_of(group, schema), model.embedding.width_of(group)
        )
        for (group, _), interest in zip(model.grouped(), model.interests, strict=True)
    ]
    first, *others = linears_of(model.mlp)
    columns_of_user, columns_of_candidate = _input_columns(interests, schema)
    weight_OI, bias_O, activation = first
    layers = [(np.ascontiguousarray(weight_OI[:, columns_of_candidate]), bias_O, activation)]
    structure = Model(
        behavior_fields=len(schema.behavior_fields),
        user_fields=len(schema.user_sparse_fields),
        candidate_fields=len(schema.candidate_sparse_fields),
        tables=arena.array_of(
            [make_table(arena, model.embedding.tables[name]) for name in _names(schema)],
            Table,
        ),
        user_numbers=len(schema.user_dense_fields),
        candidate_numbers=len(schema.candidate_dense_fields),
        interests=len(interests),
        interest=arena.array_of(interests, Interest),
        user_inputs=len(columns_of_user),
        user_columns=arena.address(columns(weight_OI[:, columns_of_user])),
        mlp_layers=1 + len(others),
        mlp=arena.array_of([make_layer(arena, linear) for linear in (*layers, *others)], Layer),
    )
    return FusedWeights(structure, arena)


def _names(schema: FeatureSchema) -> list[str]:
    return [field.name for field in schema.sparse_fields]


def _fields_of(group: Sequence[str], schema: FeatureSchema) -> list[int]:
    names = [field.name for field in schema.behavior_fields]
    return [names.index(name) for name in group]


def _input_columns(
    interests: Sequence[Interest], schema: FeatureSchema
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which inputs of the first MLP layer are the user's and which the candidate's."""
    profile = sum(field.embedding_dim for field in schema.user_sparse_fields)
    widths = [(True, profile + len(schema.user_dense_fields)), (False, schema.item_embedding_dim)]
    for interest in interests:
        if interest.sum_pooling:
            widths += [(True, interest.embedding), (False, interest.embedding)]
        widths.append((False, interest.hidden))
    side = sum(field.embedding_dim for field in schema.candidate_sparse_fields)
    widths.append((False, side + len(schema.candidate_dense_fields)))
    is_users = np.repeat([users for users, _ in widths], [width for _, width in widths])
    return np.flatnonzero(is_users), np.flatnonzero(~is_users)
