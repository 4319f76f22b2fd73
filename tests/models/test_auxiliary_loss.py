"""The auxiliary loss teaches interests to tell the next behavior from a sampled one (eq. 6)."""

import re

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.core.schema import FIRST_ID_ROW, PAD_ROW
from app.models.factory import Model
from tests.models.builders import (
    FULL_SCHEMA,
    TensorBatch,
    batch_of,
    draw_rows,
    draw_users,
    encode,
    make_model,
)
from tests.models.configs import CONFIGS, DIN_CONFIGS, DSIN_CONFIGS, each_dien_config
from tests.models.naive_dien import NaiveDien

LENGTHS = [3, 0, 1, 4]
FIRST_BEHAVIORS = [0, 3, 4]  # rows of the behaviors that nothing precedes
NEXT_BEHAVIORS = [1, 2, 5, 6, 7]

OTHER_CONFIGS = DIN_CONFIGS | DSIN_CONFIGS


def loss_of(model: Model, batch: TensorBatch, sampled_NF: Tensor) -> Tensor:
    return model.auxiliary_loss(encode(model, batch), batch.behaviors_NF, sampled_NF)


def other_item(rows_NF: Tensor, row: int) -> Tensor:
    changed_NF = rows_NF.clone()
    item = changed_NF[row, 0]
    changed_NF[row, 0] = FIRST_ID_ROW if item != FIRST_ID_ROW else FIRST_ID_ROW + 1
    return changed_NF


@each_dien_config
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5), seed=st.integers(0, 99))
@example(lengths=LENGTHS, seed=0)
@settings(deadline=None, max_examples=20)
def test_it_equals_the_naive_loop(config, lengths, seed):
    model = make_model(config).double()
    naive = NaiveDien(config, FULL_SCHEMA, model.state_dict())
    users = draw_users(lengths, seed=seed)
    sampled_NF = draw_rows(sum(lengths), seed=seed)
    negatives = [rows.tolist() for rows in sampled_NF.split(lengths)]

    loss = loss_of(model, batch_of(users, [], dtype=torch.float64), sampled_NF)

    assert loss.item() == pytest.approx(naive.auxiliary_loss(users, negatives), abs=1e-10)


@each_dien_config
@pytest.mark.parametrize("lengths", [[0], [1], [1, 0, 1], []])
def test_it_is_zero_where_no_behavior_has_a_next_one(config, lengths):
    loss = loss_of(make_model(config), batch_of(draw_users(lengths), []), draw_rows(sum(lengths)))

    assert loss.item() == 0.0


@pytest.mark.parametrize("row", NEXT_BEHAVIORS)
def test_the_sampled_negative_of_a_next_behavior_matters(row):
    model = make_model(CONFIGS["default"]).double()
    batch, sampled_NF = batch_of(draw_users(LENGTHS), [], dtype=torch.float64), draw_rows(8)
    loss = loss_of(model, batch, sampled_NF)

    changed = loss_of(model, batch, other_item(sampled_NF, row))

    assert abs(changed.item() - loss.item()) > 1e-6


@pytest.mark.parametrize("row", FIRST_BEHAVIORS)
def test_the_sampled_negative_of_a_first_behavior_is_never_used(row):
    model = make_model(CONFIGS["default"])
    batch, sampled_NF = batch_of(draw_users(LENGTHS), []), draw_rows(8)
    loss = loss_of(model, batch, sampled_NF)

    changed = loss_of(model, batch, other_item(sampled_NF, row))

    assert changed.item() == loss.item()


@each_dien_config
def test_steps_without_a_negative_are_left_out_of_the_mean(config):
    model = make_model(config).double()
    batch, sampled_NF = batch_of(draw_users([3]), [], dtype=torch.float64), draw_rows(3)
    without_last, without_second = sampled_NF.clone(), sampled_NF.clone()
    without_last[2], without_second[1] = PAD_ROW, PAD_ROW

    parts = [loss_of(model, batch, rows_NF) for rows_NF in (without_last, without_second)]

    both = loss_of(model, batch, sampled_NF)
    torch.testing.assert_close(torch.stack(parts).mean(), both)


def test_it_is_a_mean_over_steps_not_over_users():
    model = make_model(CONFIGS["default"]).double()
    users = draw_users([2, 4])
    sampled_NF = draw_rows(6)
    batches = [batch_of([user], [], dtype=torch.float64) for user in users]
    short, long = (
        loss_of(model, batch, rows_NF)
        for batch, rows_NF in zip(batches, sampled_NF.split([2, 4]), strict=True)
    )

    both = loss_of(model, batch_of(users, [], dtype=torch.float64), sampled_NF)

    torch.testing.assert_close(both, (1 * short + 3 * long) / 4)


@each_dien_config
def test_its_gradient_reaches_the_net_the_extractor_and_the_embeddings_and_stops_there(config):
    model = make_model(config).train()

    loss_of(model, batch_of(draw_users(LENGTHS), []), draw_rows(8)).backward()

    reached = {
        re.sub(r"interests\.\d\.", "", name).split(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }
    assert reached == {"auxiliary", "extractor", "embedding"}
    for interest in model.interests:
        assert all(p.grad is not None for p in interest.auxiliary.parameters())
        assert all(p.grad is not None for p in interest.extractor.parameters())


@pytest.mark.parametrize("config", OTHER_CONFIGS.values(), ids=OTHER_CONFIGS.keys())
def test_other_models_add_nothing_to_the_click_loss(config):
    loss = loss_of(make_model(config), batch_of(draw_users(LENGTHS), []), draw_rows(8))

    assert loss.item() == 0.0


def test_descending_it_separates_next_behaviors_from_sampled_ones():
    model = make_model(CONFIGS["default"]).train()
    batch, sampled_NF = batch_of(draw_users(LENGTHS), []), draw_rows(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    first = loss_of(model, batch, sampled_NF).item()

    for _ in range(30):
        optimizer.zero_grad()
        loss = loss_of(model, batch, sampled_NF)
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.5 * first


def test_certainty_does_not_make_it_infinite():
    """The official code's log(1 - p) overflows once p rounds to one."""
    model = make_model(CONFIGS["default"])
    torch.nn.init.constant_(model.interests[0].auxiliary.net.layers[-1].bias, 1e4)

    loss = loss_of(model, batch_of(draw_users(LENGTHS), []), draw_rows(8))

    assert loss.isfinite()
    assert loss.item() > 1e3
