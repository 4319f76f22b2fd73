"""L2 of a step's embeddings against loops over ids, and DIN's step on each embedding."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.schema import OOV_ROW, FeatureSchema, SparseField, SparseSideField
from app.errors import StartupRefused
from app.models.factory import Model, build_model
from app.training.encoded_split import EncodedSplit
from app.training.encoding import EncodedSamples
from app.training.field_l2 import parse_l2
from app.training.options import RegularizationOptions
from app.training.penalties import EmbeddingPenalty
from app.training.steps import StepBatch
from tests.training.builders import SMALL_DIEN, step_of

ROWS = 9
SCHEMA = FeatureSchema(
    behavior_fields=(
        SparseField(name="item_id", embedding_dim=3, rows=ROWS),
        SparseField(name="category_id", embedding_dim=2, rows=ROWS),
    ),
    side_fields=(
        SparseSideField(name="device", source="context", embedding_dim=2, rows=ROWS),
        SparseSideField(name="seller", source="candidate", embedding_dim=2, rows=ROWS),
    ),
)
TRAIN = step_of([4, 0, 7], [3, 2, 5], seed=1)
COUNTS = EncodedSplit.of(
    EncodedSamples(np.round(TRAIN.labels_C), np.zeros(10, np.int64), TRAIN.batch), SCHEMA
).counts
STEP = step_of([2, 3], [2, 1], seed=2)


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return build_model(SMALL_DIEN, SCHEMA).double()


def look_ups(step: StepBatch) -> Mapping[str, list[int]]:
    """By field, as loops find them."""
    batch = step.batch
    rows: dict[str, list[int]] = {"item_id": [], "category_id": [], "device": [], "seller": []}
    for item_and_category in (*batch.behaviors_NF.tolist(), *batch.candidates_CF.tolist()):
        for name, row in zip(("item_id", "category_id"), item_and_category, strict=True):
            rows[name].append(row)
    rows["device"] = [row for (row,) in batch.user_sparse_US.tolist()]
    rows["seller"] = [row for (row,) in batch.candidate_sparse_CS.tolist()]
    return rows


def squared_norm(model: Model, field: str, row: int) -> float:
    vector = model.embedding.tables[field].weight[row]
    return sum(number * number for number in vector.tolist())


def penalty_of(model: Model, options: RegularizationOptions) -> torch.Tensor:
    return EmbeddingPenalty(SCHEMA, COUNTS, options).of(model, STEP)


def test_l2_counts_every_look_up_of_its_field_and_no_other(model: Model) -> None:
    options = RegularizationOptions(l2=(("item_id", 0.3), ("seller", 0.7)))

    penalty = penalty_of(model, options)

    expected = sum(
        weight * squared_norm(model, field, row) / STEP.weight
        for field, weight in options.l2
        for row in look_ups(STEP)[field]
    )
    assert penalty.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("id_dropout", [0.0, 0.25])
def test_the_mini_batch_aware_penalty_is_equation_6(model: Model, id_dropout: float) -> None:
    options = RegularizationOptions(mini_batch_aware_l2=0.01, id_dropout=id_dropout)

    penalty = penalty_of(model, options)

    expected = 0.0
    for field, rows in look_ups(STEP).items():
        in_training = look_ups(TRAIN)[field]
        counts = Counter(in_training)
        for row in set(rows):
            count = counts[row] + (id_dropout * len(in_training) if row == OOV_ROW else 0)
            expected += 0.01 / max(count, 1) * squared_norm(model, field, row)
    assert penalty.item() == pytest.approx(expected, rel=1e-12)


def test_only_embeddings_of_the_step_move(model: Model) -> None:
    options = RegularizationOptions(mini_batch_aware_l2=0.01, l2=(("item_id", 0.3),))
    model.zero_grad()

    penalty_of(model, options).backward()

    for field, rows in look_ups(STEP).items():
        gradient = model.embedding.tables[field].weight.grad
        moved = gradient.abs().sum(dim=1).nonzero().squeeze(1).tolist()
        assert set(moved) == {row for row in rows if squared_norm(model, field, row)}


def test_both_penalties_add_up(model: Model) -> None:
    l2 = RegularizationOptions(l2=(("item_id", 0.3),))
    aware = RegularizationOptions(mini_batch_aware_l2=0.01)
    both = RegularizationOptions(l2=l2.l2, mini_batch_aware_l2=0.01)

    sums = penalty_of(model, l2) + penalty_of(model, aware)

    torch.testing.assert_close(penalty_of(model, both), sums)


def test_by_default_there_is_none() -> None:
    assert EmbeddingPenalty(SCHEMA, COUNTS, RegularizationOptions()).is_zero


def test_an_l2_of_an_unknown_field_is_refused() -> None:
    options = RegularizationOptions(l2=(("color", 0.3),))

    with pytest.raises(StartupRefused, match="--l2 color: the fields are item_id, category_id"):
        EmbeddingPenalty(SCHEMA, COUNTS, options)


@given(st.floats(0, 1e6))
def test_a_declaration_is_a_field_and_its_weight(weight: float) -> None:
    assert parse_l2([f"item_id={weight!r}", "device=1"]) == (("item_id", weight), ("device", 1.0))


@pytest.mark.parametrize("declaration", ["item_id", "item_id=", "item_id=-1", "item_id=inf", "=x"])
def test_a_declaration_of_another_form_is_refused(declaration: str) -> None:
    with pytest.raises(StartupRefused, match="write FIELD=WEIGHT"):
        parse_l2([declaration])


def test_a_field_declared_twice_is_refused() -> None:
    with pytest.raises(StartupRefused, match="--l2 item_id is given twice"):
        parse_l2(["item_id=1", "item_id=2"])
