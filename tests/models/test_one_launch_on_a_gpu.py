"""The Triton kernel on a GPU: states of the loops, compiled once, and nobody waits for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from app.models.layers.one_launch import how_recurrences_run, takes_one_launch
from app.models.layers.ragged import Spans
from app.models.layers.recurrence import evolve, run_over_behaviors
from tests.inference.cuda import needs_cuda
from tests.models.builders import make_model
from tests.models.configs import CONFIGS
from tests.models.interpreted import needs_triton
from tests.models.recurrences import FORMS, INPUT, Layer, draw, spans_of

pytestmark = [needs_cuda, needs_triton]

GPU = torch.device("cuda:0")
TOLERANCE = 5e-6
LENGTHS = [3, 0, 50, 1, 17]
USER_OF_SEQUENCE = [2, 0, 0, 1, 3, 2, 2, 4, 4]

each_reset_gate = pytest.mark.parametrize("reset_gate", ["after", "before"])
each_form = pytest.mark.parametrize("form", FORMS)
each_width = pytest.mark.parametrize("hidden", [1, 24, 36, 64, 128])


@contextmanager
def on_gpu_alone() -> Iterator[None]:
    """Whatever makes the CPU wait for the GPU raises meanwhile."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


class Evolving:
    """Users with their candidates' sequences, on a GPU."""

    def __init__(self, layer, lengths=LENGTHS, users=USER_OF_SEQUENCE):
        self.layer, self.lengths, self.users = layer, lengths, users
        self.inputs_NI = draw(sum(lengths), INPUT, seed=1)
        self.attention_RT = draw(len(users), max(lengths), seed=2).sigmoid()
        self.lengths_U = torch.tensor(lengths, device=GPU)
        self.cell = layer.cell().to(GPU)
        self._attention_RT = self.attention_RT.to(GPU)
        self._inputs_NI = self.inputs_NI.to(GPU)
        spans = spans_of(lengths, users)
        self._spans = Spans(spans.first_row_R.to(GPU), spans.lengths_R.to(GPU))

    def states(self):
        return run_over_behaviors(self.cell, self._inputs_NI, self.lengths_U)

    def last_states(self):
        rule = self.layer.rule()
        project = self.cell.project_without_bias if rule.scales_inputs else self.cell.project
        projected_NG = project(self._inputs_NI)
        return evolve(self.cell, projected_NG, self._spans, self._attention_RT, rule)

    def takes_one_launch(self):
        return takes_one_launch(self.cell, self.cell.project(self._inputs_NI))


@each_width
@each_reset_gate
def test_the_extractors_states_are_those_of_the_loops(reset_gate, hidden):
    users = Evolving(Layer(hidden, reset_gate))
    expected_NH = users.layer.naive_states(users.inputs_NI, LENGTHS)

    with torch.inference_mode():
        states_NH = users.states().cpu().numpy()

    np.testing.assert_allclose(states_NH, expected_NH, rtol=0, atol=TOLERANCE)


@each_width
@each_reset_gate
@each_form
def test_each_evolution_ends_where_the_loops_end(form, reset_gate, hidden):
    users = Evolving(Layer(hidden, reset_gate, *FORMS[form]))
    expected_RH = users.layer.naive_last_states(
        users.inputs_NI, LENGTHS, USER_OF_SEQUENCE, users.attention_RT
    )

    with torch.inference_mode():
        last_RH = users.last_states().cpu().numpy()

    np.testing.assert_allclose(last_RH, expected_RH, rtol=0, atol=TOLERANCE)


@each_reset_gate
@each_form
def test_with_gradients_torchs_loop_gives_the_same(form, reset_gate):
    users = Evolving(Layer(36, reset_gate, *FORMS[form]))
    assert not users.takes_one_launch()
    by_torch = users.states(), users.last_states()

    with torch.inference_mode():
        assert users.takes_one_launch()
        in_one_launch = users.states(), users.last_states()

    for states, expected in zip(in_one_launch, by_torch, strict=True):
        torch.testing.assert_close(states, expected, rtol=0, atol=TOLERANCE)


@torch.inference_mode()
def test_a_batch_of_any_size_finds_the_kernel_compiled(monkeypatch):
    triton = pytest.importorskip("triton")
    layer = Layer(20, "after", "augru")  # a width of no other test
    first = Evolving(layer)
    first.states(), first.last_states()
    compiled = []
    monkeypatch.setattr(triton.knobs.runtime, "jit_cache_hook", lambda **one: compiled.append(one))

    for lengths, users in [([1], [0]), ([16], [0] * 16), ([2, 31], [1] * 100), ([0, 1], [0, 1, 1])]:
        batch = Evolving(layer, lengths, users)
        batch.states(), batch.last_states()

    torch.cuda.synchronize()
    assert compiled == []


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@torch.inference_mode()
def test_the_cpu_never_waits_for_the_gpu():
    users = Evolving(Layer(36, "after", "augru"))
    expected = users.states(), users.last_states()

    with on_gpu_alone():
        states_NH, last_RH = users.states(), users.last_states()

    assert torch.equal(states_NH, expected[0])
    assert torch.equal(last_RH, expected[1])


@torch.inference_mode()
def test_no_candidates_have_no_states():
    users = Evolving(Layer(36, "after", "augru"), users=[])

    assert users.last_states().shape == (0, 36)


@pytest.mark.parametrize(
    ("config", "how"),
    [("default", "triton"), ("gru_with_attention_pooling", "triton"), ("dsin", None)],
)
def test_it_is_said_that_the_kernel_runs(config, how):
    assert how_recurrences_run(make_model(CONFIGS[config]).to(GPU)) == how


def test_states_too_wide_for_the_kernel_are_left_to_torch():
    users = Evolving(Layer(129, "after"))
    expected_NH = users.layer.naive_states(users.inputs_NI, LENGTHS)

    with torch.inference_mode():
        states_NH = users.states().cpu().numpy()

    np.testing.assert_allclose(states_NH, expected_NH, rtol=0, atol=TOLERANCE)
