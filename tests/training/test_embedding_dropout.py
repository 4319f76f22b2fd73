"""Elements of embeddings are dropped while a model trains, and only then."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from app.models.factory import Model, build_model
from app.training.embedding_dropout import drop_embedding_elements
from app.training.prediction import predict
from tests.training.builders import QUICK, SMALL_DIEN
from tests.training.planted_world import PlantedWorld

ROWS = torch.full((4_000,), 5)


@pytest.fixture
def model(world: PlantedWorld) -> Model:
    model = build_model(SMALL_DIEN, world.features.schema)
    for table in model.embedding.tables.values():
        nn.init.ones_(table.weight)
    return model


def test_elements_are_dropped_each_on_its_own_and_the_others_scaled_up(model: Model) -> None:
    torch.manual_seed(0)
    drop_embedding_elements(model, 0.25)

    vectors = model.embedding.tables["item_id"](ROWS)

    assert vectors.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (vectors == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert (vectors == 0).all(dim=1).float().mean().item() == pytest.approx(0.25**4, abs=0.01)


def test_in_evaluation_nothing_is_dropped(model: Model) -> None:
    drop_embedding_elements(model, 0.25)

    assert (model.eval().embedding.tables["item_id"](ROWS) == 1).all()


def test_it_changes_what_is_learned_and_not_how_it_is_served(world: PlantedWorld) -> None:
    dropping = replace(QUICK.regularization, embedding_dropout=0.3)
    valid = world.splits["valid"]

    plain, dropped = (
        world.train(replace(QUICK, epochs=1, regularization=regularization)).model
        for regularization in (QUICK.regularization, dropping)
    )

    assert (predict(plain, valid) != predict(dropped, valid)).any()
    assert (predict(dropped, valid) == predict(dropped, valid)).all()
    assert not any(table._forward_hooks for table in dropped.embedding.tables.values())
