"""Embedding tables: padding is zero for good, and unknown ids share a row that is trained."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from app.core.schema import FIRST_ID_ROW, OOV_ROW, PAD_ROW
from app.models.dien.config import DienConfig
from app.models.factory import Model, build_model
from app.models.layers.embedding import FeatureEmbedding, joined
from tests.models.builders import (
    FULL_SCHEMA,
    Candidate,
    User,
    batch_of,
    encode,
    make_model,
    score,
)
from tests.models.configs import CONFIGS, each_config

each_architecture = pytest.mark.parametrize("name", ["default", "din", "dsin"])

TABLES = ["item_id", "category_id", "user_id", "device", "gender", "slot", "brand"]
DENSE = {"age": 0.3, "price": -0.2, "hour": 1.0, "discount": 0.1}


def row_everywhere(row: int) -> tuple[User, Candidate]:
    """A user and a candidate with the same table row in every categorical field."""
    fields = dict.fromkeys(TABLES[2:], row) | DENSE
    return User(((row, row), (row, row)), fields), Candidate(0, (row, row), fields)


def tables_of(model: Model) -> dict[str, torch.nn.Embedding]:
    return dict(model.embedding.tables.items())


def train_one_step(model: Model, row: int) -> None:
    user, candidate = row_everywhere(row)
    batch = batch_of([user], [candidate])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    sampled_NF = torch.full_like(batch.behaviors_NF, row)
    user_states = encode(model, batch)
    logits_C, _ = model.score(user_states, batch.candidates, batch.user_of_C)
    loss = binary_cross_entropy_with_logits(logits_C, torch.ones_like(logits_C))
    (loss + model.auxiliary_loss(user_states, batch.behaviors_NF, sampled_NF)).backward()
    optimizer.step()


def test_every_categorical_field_has_a_table_of_its_declared_size():
    shapes = {
        name: tuple(table.weight.shape)
        for name, table in tables_of(build_model(DienConfig(), FULL_SCHEMA)).items()
    }

    assert shapes == {
        field.name: (field.rows, field.embedding_dim) for field in FULL_SCHEMA.sparse_fields
    }
    assert list(shapes) == TABLES


def test_only_the_padding_row_starts_at_zero():
    for table in tables_of(build_model(DienConfig(), FULL_SCHEMA)).values():
        zero_rows = (table.weight == 0).all(dim=1).nonzero().flatten()

        assert zero_rows.tolist() == [PAD_ROW]


@each_config
def test_a_model_can_be_built_inside_inference_mode(config):
    user, candidate = row_everywhere(PAD_ROW)

    with torch.inference_mode():
        logits_C, _ = score(build_model(config, FULL_SCHEMA).eval(), batch_of([user], [candidate]))

    assert logits_C.isfinite().all()


@each_architecture
@pytest.mark.parametrize("table", TABLES)
def test_the_padding_row_has_no_gradient_and_stays_zero(table, name):
    model = make_model(CONFIGS[name]).train()

    train_one_step(model, PAD_ROW)

    weight = tables_of(model)[table].weight
    assert not weight.grad[PAD_ROW].any()
    assert not weight[PAD_ROW].any()


@each_architecture
@pytest.mark.parametrize("row", [OOV_ROW, FIRST_ID_ROW])
@pytest.mark.parametrize("table", TABLES)
def test_unknown_ids_train_a_row_of_their_own_like_any_id(table, row, name):
    model = make_model(CONFIGS[name]).train()

    train_one_step(model, row)

    gradient = tables_of(model)[table].weight.grad
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [row]


@each_architecture
def test_an_unknown_item_scores_unlike_padding_and_unlike_a_known_one(name):
    model = make_model(CONFIGS[name])

    with torch.inference_mode():
        logits = [
            score(model, batch_of([user], [candidate]))[0].item()
            for user, candidate in map(row_everywhere, [PAD_ROW, OOV_ROW, FIRST_ID_ROW])
        ]

    assert len(set(logits)) == 3


def test_an_item_is_its_fields_side_by_side():
    embedding = FeatureEmbedding(FULL_SCHEMA, init_std=1.0)
    rows_RF = torch.tensor([[3, 5], [OOV_ROW, PAD_ROW]])

    items_RE = joined(embedding.items(rows_RF), ("item_id", "category_id"))

    item_R, category_R = rows_RF.unbind(dim=1)
    columns: list[Tensor] = [
        embedding.tables["item_id"].weight[item_R],
        embedding.tables["category_id"].weight[category_R],
    ]
    assert torch.equal(items_RE, torch.cat(columns, dim=1))


def test_a_row_beyond_its_table_is_an_error_and_not_a_wrong_score():
    model = make_model(CONFIGS["default"])
    user, candidate = row_everywhere(100)

    with pytest.raises(IndexError):
        score(model, batch_of([user], [candidate]))
