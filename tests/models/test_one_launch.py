"""The Triton kernel against the papers' loops, interpreted: it needs no GPU for that."""

from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models.layers.one_launch import how_recurrences_run, takes_one_launch
from tests.models.builders import make_model
from tests.models.configs import CONFIGS
from tests.models.interpreted import all_states, interpreter, last_states, needs_triton
from tests.models.recurrences import FORMS, INPUT, Layer, draw

TOLERANCE = 2e-6
LENGTHS = [3, 0, 6, 1]
USER_OF_SEQUENCE = [2, 0, 0, 1, 3, 2, 2]

each_reset_gate = pytest.mark.parametrize("reset_gate", ["after", "before"])
each_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture(scope="module")
def triton() -> Iterator[Executor]:
    with interpreter() as executor:
        yield executor


def assert_states_are_those_of_the_loops(triton, layer, lengths):
    inputs_NI = draw(sum(lengths), INPUT, seed=10)

    states_NH = triton.submit(all_states, layer, inputs_NI.numpy(), lengths).result()

    expected_NH = layer.naive_states(inputs_NI, lengths)
    np.testing.assert_allclose(states_NH, expected_NH, rtol=0, atol=TOLERANCE)


def assert_last_states_are_those_of_the_loops(triton, layer, lengths, users):
    inputs_NI = draw(sum(lengths), INPUT, seed=11)
    attention_RT = draw(len(users), max(lengths), seed=12).sigmoid()

    last_RH = triton.submit(
        last_states, layer, inputs_NI.numpy(), lengths, users, attention_RT.numpy()
    ).result()

    expected_RH = layer.naive_last_states(inputs_NI, lengths, users, attention_RT)
    np.testing.assert_allclose(last_RH, expected_RH, rtol=0, atol=TOLERANCE)


@needs_triton
@each_reset_gate
@given(st.lists(st.integers(0, 5), min_size=1, max_size=5))
@settings(deadline=None, max_examples=10)
def test_the_extractors_states_are_those_of_the_loops(triton, reset_gate, lengths):
    assert_states_are_those_of_the_loops(triton, Layer(6, reset_gate), lengths)


@needs_triton
@each_reset_gate
@each_form
def test_each_evolution_ends_where_the_loops_end(triton, form, reset_gate):
    layer = Layer(6, reset_gate, *FORMS[form])

    assert_last_states_are_those_of_the_loops(triton, layer, LENGTHS, USER_OF_SEQUENCE)


@needs_triton
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.data())
@settings(deadline=None, max_examples=10)
def test_candidates_share_the_behaviors_of_their_users(triton, lengths, data):
    users = data.draw(st.lists(st.sampled_from(range(len(lengths))), max_size=6))

    if users:
        layer = Layer(4, "after", "augru")
        assert_last_states_are_those_of_the_loops(triton, layer, lengths, users)


@needs_triton
@pytest.mark.parametrize("hidden", [1, 16, 36, 100, 128])
def test_states_are_of_any_width(triton, hidden):
    assert_states_are_those_of_the_loops(triton, Layer(hidden, "after"), [2, 3])


@needs_triton
@each_reset_gate
def test_a_hundred_steps_stay_as_near(triton, reset_gate):
    assert_states_are_those_of_the_loops(triton, Layer(8, reset_gate), [100])


def test_without_a_gpu_it_is_said_why_torch_runs_it():
    reason = how_recurrences_run(make_model(CONFIGS["default"]))

    assert reason is not None
    assert reason.startswith("no Triton kernel: ")
    assert "\n" not in reason


def test_what_is_too_wide_for_the_kernel_is_said():
    wide = CONFIGS["default"].model_copy(update={"hidden_size": 129})

    assert how_recurrences_run(make_model(wide)) == "the Triton kernel has no states wider than 128"


@pytest.mark.parametrize("config", ["din", "dsin"])
def test_of_a_model_without_recurrences_there_is_nothing_to_say(config):
    assert how_recurrences_run(make_model(CONFIGS[config])) is None


@torch.inference_mode()
def test_on_the_cpu_torch_runs_it():
    cell = Layer(4, "after").cell()

    assert not takes_one_launch(cell, cell.project(draw(3, INPUT, seed=1)))
