"""The fused kernel gives the reference's scores, on every instruction set that this CPU has."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from app.inference.engine import Engine
from app.inference.fused.runtime import FusedRuntime
from app.kernels.library import load_kernel
from app.models.dien.config import DienConfig
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import each_fused_config, fused, shapes
from tests.inference.reference import double_precision, reference
from tests.kernels.compiler import needs_compiler
from tests.models.builders import (
    FULL_SCHEMA,
    batch_of,
    draw_candidates,
    draw_users,
    make_model,
    score,
)

pytestmark = needs_compiler

CPU = torch.device("cpu")


@pytest.fixture(params=["avx512", "avx2", "generic"], autouse=True, scope="module")
def isa(request):
    """Each in turn; the best one again afterwards."""
    kernel = load_kernel()
    best = kernel.isa
    if not kernel.use_isa(request.param):
        pytest.skip(f"this CPU has no {request.param}")
    yield request.param
    kernel.use_isa(best)


@cache
def made_once(config, _isa):
    return fused(config)


def probability(logits_C):
    return 1 / (1 + np.exp(-np.asarray(logits_C, np.float64)))


@each_fused_config
@given(shape=shapes())
@settings(deadline=None, max_examples=8)
def test_scores_are_the_references(config, isa, shape):
    lengths, users, seed = shape
    batch = ragged(draw_batch(lengths, users, seed=seed))

    scores = made_once(config, isa).score(batch)

    expected = reference(config).score(batch)
    np.testing.assert_allclose(
        probability(scores.logits_C), probability(expected.logits_C), rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(scores.attention_CT, expected.attention_CT, rtol=1e-5, atol=1e-5)


@each_fused_config
@given(shape=shapes())
@settings(deadline=None, max_examples=4)
def test_scores_are_those_of_double_precision(config, isa, shape):
    lengths, users, seed = shape
    people, ads = draw_users(lengths, seed=seed), draw_candidates(users, seed=seed)

    scores = made_once(config, isa).score(ragged(batch_of(people, ads)))

    with torch.inference_mode():
        double = batch_of(people, ads, dtype=torch.float64)
        expected_C, _ = score(double_precision(config), double)
    np.testing.assert_allclose(
        probability(scores.logits_C), probability(expected_C), rtol=0, atol=1e-4
    )


@each_fused_config
def test_a_candidate_scores_the_same_to_the_bit_wherever_it_lies(config):
    lengths, users = [9, 0, 4], [0] * 47 + [1] * 3 + [2] * 18
    people, ads = draw_users(lengths), draw_candidates(users)
    runtime = fused(config)
    together = runtime.score(ragged(batch_of(people, ads)))

    reversed_ = runtime.score(ragged(batch_of(people, ads[::-1])))
    alone = [
        runtime.score(ragged(batch_of(people, [ad]))).logits_C[0] for ad in (ads[0], *ads[45:53])
    ]

    assert reversed_.logits_C[::-1].tolist() == together.logits_C.tolist()
    assert alone == together.logits_C[[0, *range(45, 53)]].tolist()


@pytest.mark.parametrize("reset_gate", ["after", "before"])
def test_states_that_attention_drives_out_of_bounds_are_numbers_all_the_same(reset_gate):
    """Without softmax, attention may be of any size."""
    config = DienConfig(augru="official", attention_softmax=False, reset_gate=reset_gate)
    for seed in range(30):
        model = make_model(config, seed=seed)
        batch = ragged(draw_batch([20], [0] * 24, seed=seed))

        scores = FusedRuntime(model, config, FULL_SCHEMA, load_kernel()).score(batch)

        assert np.isfinite(Engine(model, CPU).score(batch).logits_C).all()
        assert np.isfinite(scores.logits_C).all()
