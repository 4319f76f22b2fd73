"""Users without behaviors, or with one, are ordinary users; candidates may be none at all."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from app.models.ensemble.config import SingleArchitecture
from tests.models.builders import (
    batch_of,
    draw_candidates,
    draw_rows,
    draw_users,
    encode,
    make_model,
    score,
)
from tests.models.configs import each_config

HISTORIES = {
    "none_in_the_batch": [0, 0, 0],
    "one_cold_user": [0],
    "one_step": [1],
    "cold_among_warm": [0, 4, 0, 1],
    "warm_first": [3, 0],
}
each_histories = pytest.mark.parametrize("lengths", HISTORIES.values(), ids=HISTORIES.keys())


def attends(config: SingleArchitecture) -> bool:
    """Whether the model looks at some behaviors more than at others."""
    return config.name != "dien" or config.evolution != "gru_last_state"


def cancels_out(config: SingleArchitecture, name: str) -> bool:
    """Softmax forgets what is added to all scores alike, up to rounding."""
    added_last = f".kind.rest.layers.{2 * len(config.attention_units) - 2}.bias"
    return config.attention_softmax and name.endswith(added_last)


@each_config
@each_histories
def test_every_score_is_finite(config, lengths):
    users, candidates = draw_users(lengths), draw_candidates([*range(len(lengths)), 0])

    with torch.inference_mode():
        logits_C, attention_CT = score(make_model(config), batch_of(users, candidates))

    assert logits_C.shape == (len(candidates),)
    assert attention_CT.shape == (len(candidates), max(lengths))
    assert logits_C.isfinite().all()
    assert attention_CT.isfinite().all()


@each_config
def test_a_cold_user_is_told_apart_by_profile_and_candidate_only(config):
    users, candidates = draw_users([0, 0]), draw_candidates([0, 0, 1])

    with torch.inference_mode():
        logits_C, attention_CT = score(make_model(config), batch_of(users, candidates))

    assert attention_CT.shape == (3, 0)
    assert len(set(logits_C.tolist())) == 3


@each_config
def test_a_cold_user_gets_no_attention_beside_a_warm_one(config):
    users, candidates = draw_users([4, 0]), draw_candidates([0, 1])

    with torch.inference_mode():
        _, attention_CT = score(make_model(config), batch_of(users, candidates))

    assert attention_CT[1].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert attention_CT[0].any() == attends(config)


@each_config
@pytest.mark.parametrize("lengths", [[3], [0], [2, 0, 1]])
def test_no_candidates_give_no_scores(config, lengths):
    model = make_model(config)

    with torch.inference_mode():
        logits_C, attention_CT = score(model, batch_of(draw_users(lengths), []))

    assert logits_C.shape == (0,)
    assert attention_CT.shape == (0, 0)


@each_config
def test_no_users_give_no_scores(config):
    with torch.inference_mode():
        logits_C, _ = score(make_model(config), batch_of([], []))

    assert logits_C.shape == (0,)


@each_config
@each_histories
def test_every_gradient_is_finite_in_training(config, lengths):
    model = make_model(config).train()
    batch = batch_of(draw_users(lengths), draw_candidates([*range(len(lengths)), 0]))
    user_states = encode(model, batch)
    logits_C, _ = model.score(user_states, batch.candidates, batch.user_of_C)
    auxiliary = model.auxiliary_loss(user_states, batch.behaviors_NF, draw_rows(sum(lengths)))
    loss = binary_cross_entropy_with_logits(logits_C, torch.ones_like(logits_C)) + auxiliary

    loss.backward()

    assert loss.isfinite()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert gradients["embedding.tables.item_id.weight"].abs().sum() > 0
    assert [name for name, gradient in gradients.items() if not gradient.isfinite().all()] == []


@each_config
def test_two_behaviors_train_every_weight(config):
    model = make_model(config).train()
    batch = batch_of(draw_users([4, 0, 3]), draw_candidates([0, 1, 2, 2, 0, 0, 2]))
    user_states = encode(model, batch)
    logits_C, _ = model.score(user_states, batch.candidates, batch.user_of_C)
    auxiliary = model.auxiliary_loss(user_states, batch.behaviors_NF, draw_rows(7))

    (logits_C.square().sum() + auxiliary).backward()

    untrained = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in untrained if not cancels_out(config, name)] == []
