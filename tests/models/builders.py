"""Users, candidates, schemas and models with trained-like weights, for the model tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.schema import (
    OOV_ROW,
    PAD_ROW,
    DenseSideField,
    FeatureSchema,
    SparseField,
    SparseSideField,
)
from app.models.ctr_model import BehaviorFeatures, CandidateFeatures
from app.models.factory import Architecture, Model, build_model
from app.models.layers.embedding import SideFeatures

# U users, N behaviors of all users, C candidates, T steps, F behavior fields

ItemRows = tuple[int, int]  # item and category

BEHAVIOR_FIELDS = (
    SparseField(name="item_id", embedding_dim=4, rows=20),
    SparseField(name="category_id", embedding_dim=2, rows=8),
)
EMBEDDING = 6
FIRST_SECOND = 1_390_694_400
SESSION_GAP_S = 30 * 60

BARE_SCHEMA = FeatureSchema(behavior_fields=BEHAVIOR_FIELDS)

# The sources are mixed on purpose: a column out of order must show.
FULL_SCHEMA = FeatureSchema(
    behavior_fields=BEHAVIOR_FIELDS,
    user_id=SparseField(name="user_id", embedding_dim=2, rows=9),
    side_fields=(
        SparseSideField(name="slot", source="candidate", embedding_dim=3, rows=6),
        DenseSideField(name="age", source="profile"),
        SparseSideField(name="device", source="context", embedding_dim=1, rows=5),
        DenseSideField(name="price", source="candidate"),
        SparseSideField(name="gender", source="profile", embedding_dim=2, rows=4),
        DenseSideField(name="hour", source="context"),
        SparseSideField(name="brand", source="candidate", embedding_dim=2, rows=7),
        DenseSideField(name="discount", source="candidate"),
    ),
)


@dataclass(frozen=True, slots=True)
class User:
    """Behaviors as table rows, oldest first, and the user's side fields by name."""

    behaviors: tuple[ItemRows, ...]
    fields: Mapping[str, float]
    gaps_s: tuple[int, ...] = ()  # silence before each behavior; none given: half an hour and more

    @property
    def seconds(self) -> list[int]:
        """The unix second of each behavior."""
        gaps_s = self.gaps_s or (SESSION_GAP_S + 1,) * len(self.behaviors)
        return list(accumulate(gaps_s, initial=FIRST_SECOND))[1:]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item as table rows, the index of its user, and the item's side fields by name."""

    user: int
    item: ItemRows
    fields: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TensorBatch:
    """What the two verbs take."""

    behaviors_NF: Tensor
    behavior_seconds_N: Tensor
    lengths_U: Tensor
    profile: SideFeatures
    candidates: CandidateFeatures
    user_of_C: Tensor


def make_model(
    config: Architecture, schema: FeatureSchema = FULL_SCHEMA, *, seed: int = 0
) -> Model:
    """In eval mode, with no bias, slope or statistic left at its initial value."""
    model = build_model(config, schema).eval()
    generator = torch.Generator().manual_seed(seed)
    model.load_state_dict(
        {name: _trained_like(name, value, generator) for name, value in model.state_dict().items()}
    )
    return model


def _trained_like(name: str, value: Tensor, generator: torch.Generator) -> Tensor:
    if not value.is_floating_point():
        return value
    noise = torch.randn(value.shape, generator=generator)
    if name.endswith("running_var"):
        return 0.3 + noise.abs()
    if "tables" in name:
        noise[PAD_ROW] = 0.0
        return 0.6 * noise
    return noise / value.shape[1] ** 0.5 if value.dim() == 2 else 0.3 * noise


def draw_users(
    lengths: Sequence[int], schema: FeatureSchema = FULL_SCHEMA, *, seed: int = 0
) -> list[User]:
    """One random user per length."""
    rng = np.random.default_rng([seed, 1])
    return [
        User(
            tuple(_draw_item(rng) for _ in range(length)),
            _draw_fields(rng, schema.user_sparse_fields, schema.user_dense_fields),
            tuple(int(rng.choice([60, SESSION_GAP_S, SESSION_GAP_S + 1])) for _ in range(length)),
        )
        for length in lengths
    ]


def draw_candidates(
    users: Sequence[int], schema: FeatureSchema = FULL_SCHEMA, *, seed: int = 0
) -> list[Candidate]:
    """One random candidate per index of a user."""
    rng = np.random.default_rng([seed, 2])
    return [
        Candidate(
            user,
            _draw_item(rng),
            _draw_fields(rng, schema.candidate_sparse_fields, schema.candidate_dense_fields),
        )
        for user in users
    ]


def draw_rows(count: int, *, seed: int = 0) -> Tensor:
    """[count, F] random rows of the behavior fields."""
    rng = np.random.default_rng([seed, 3])
    return torch.tensor([_draw_item(rng) for _ in range(count)], dtype=torch.long).reshape(-1, 2)


def _draw_item(rng: np.random.Generator) -> ItemRows:
    item, category = (int(rng.integers(OOV_ROW, f.rows)) for f in BEHAVIOR_FIELDS)
    return item, category


def _draw_fields(
    rng: np.random.Generator, sparse: Sequence[SparseField], dense: Sequence[DenseSideField]
) -> dict[str, float]:
    rows = {field.name: int(rng.integers(OOV_ROW, field.rows)) for field in sparse}
    return rows | {field.name: float(rng.normal()) for field in dense}


def batch_of(
    users: Sequence[User],
    candidates: Sequence[Candidate],
    schema: FeatureSchema = FULL_SCHEMA,
    *,
    dtype: torch.dtype = torch.float32,
) -> TensorBatch:
    """The ragged tensors of these users and candidates."""
    behaviors = [item for user in users for item in user.behaviors]
    seconds = [second for user in users for second in user.seconds]
    user_fields = [user.fields for user in users]
    candidate_fields = [candidate.fields for candidate in candidates]
    return TensorBatch(
        behaviors_NF=torch.tensor(behaviors, dtype=torch.long).reshape(-1, 2),
        behavior_seconds_N=torch.tensor(seconds, dtype=torch.long),
        lengths_U=torch.tensor([len(user.behaviors) for user in users], dtype=torch.long),
        profile=SideFeatures(
            _columns(user_fields, schema.user_sparse_fields, torch.long),
            _columns(user_fields, schema.user_dense_fields, dtype),
        ),
        candidates=CandidateFeatures(
            torch.tensor([c.item for c in candidates], dtype=torch.long).reshape(-1, 2),
            SideFeatures(
                _columns(candidate_fields, schema.candidate_sparse_fields, torch.long),
                _columns(candidate_fields, schema.candidate_dense_fields, dtype),
            ),
        ),
        user_of_C=torch.tensor([c.user for c in candidates], dtype=torch.long),
    )


def _columns(
    rows: Sequence[Mapping[str, float]],
    fields: Sequence[SparseField | DenseSideField],
    dtype: torch.dtype,
) -> Tensor:
    values = [[row[field.name] for field in fields] for row in rows]
    return torch.tensor(values, dtype=dtype).reshape(len(rows), len(fields))


def encode(model: Model, batch: TensorBatch) -> Any:
    """The states of the batch's users."""
    behaviors = BehaviorFeatures(batch.behaviors_NF, batch.behavior_seconds_N)
    return model.encode_users(behaviors, batch.lengths_U, batch.profile)


def score(model: Model, batch: TensorBatch) -> tuple[Tensor, Tensor]:
    """Logits [C] and attention [C, T] through both verbs."""
    return model.score(encode(model, batch), batch.candidates, batch.user_of_C)
