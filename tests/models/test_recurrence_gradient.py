"""The gradient by hand is what autograd finds through one step after another."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.models.layers.gated_cell import GatedCell
from app.models.layers.ragged import Spans
from app.models.layers.recurrence import EvolutionRule, evolve, run_over_behaviors
from app.models.layers.write_rules import write_gru

# R sequences, N steps of all sequences, T steps, I input, H hidden

INPUT, HIDDEN = 3, 4
RULES = ("augru-paper", "augru-official", "agru-paper", "aigru-paper")

each_reset = pytest.mark.parametrize("reset_gate", ["after", "before"])
lengths_of_some = st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any)


def draw(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def make_cell(reset_gate: str) -> GatedCell:
    cell = GatedCell(INPUT, HIDDEN, reset_gate).double()
    for seed, parameter in enumerate(cell.parameters()):
        parameter.data = draw(*parameter.shape, seed=seed).detach()
    return cell


def gradients(values: Tensor, weights: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Of a sum that weighs every value differently."""
    found = torch.autograd.grad((values * weights).sum(), leaves, allow_unused=True)
    return [
        torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)
    ]


def states_of(cell: GatedCell, x_TI: Tensor) -> list[Tensor]:
    """One plain step after another: autograd's own way."""
    states = [x_TI.new_zeros((1, HIDDEN))]
    for x_I in x_TI:
        projected = cell.project(x_I.unsqueeze(0))
        states.append(cell.step(projected, states[-1], x_TI.new_zeros((1, 1)), write_gru))
    return states[1:]


def last_state(cell: GatedCell, x_TI: Tensor, attention_T: Tensor, rule: EvolutionRule) -> Tensor:
    state = x_TI.new_zeros((1, HIDDEN))
    for x_I, a in zip(x_TI, attention_T, strict=False):
        x = x_I.unsqueeze(0)
        attention = a.reshape(1, 1)
        projected = (
            cell.input_bias_G + attention * cell.project_without_bias(x)
            if rule.scales_inputs
            else cell.project(x)
        )
        state = cell.step(projected, state, attention, rule.write)
    return state


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@each_reset
@given(lengths_of_some)
@settings(deadline=None, max_examples=25)
def test_through_an_extractor(reset_gate, lengths):
    cell, x_NI = make_cell(reset_gate), draw(sum(lengths), INPUT, seed=9)
    weights_NH = draw(sum(lengths), HIDDEN, seed=10).detach()
    leaves = [x_NI, *cell.parameters()]
    step_by_step = [state for x_TI in x_NI.split(lengths) for state in states_of(cell, x_TI)]
    expected = gradients(torch.cat([*step_by_step, weights_NH[:0]]), weights_NH, leaves)

    states_NH = run_over_behaviors(cell, x_NI, torch.tensor(lengths))

    assert_same(gradients(states_NH, weights_NH, leaves), expected)


@pytest.mark.parametrize(("rule", "reset_gate"), list(product(RULES, ["after", "before"])))
@given(lengths_of_some)
@settings(deadline=None, max_examples=25)
def test_through_an_evolution(rule, reset_gate, lengths):
    cell, rules = make_cell(reset_gate), EvolutionRule.of(*rule.split("-"))
    x_NI = draw(sum(lengths), INPUT, seed=9)
    attention_RT = draw(len(lengths), max(lengths), seed=11)
    weights_RH = draw(len(lengths), HIDDEN, seed=10).detach()
    leaves = [x_NI, attention_RT, *cell.parameters()]
    step_by_step = [
        last_state(cell, x_TI, attention_T, rules)
        for x_TI, attention_T in zip(x_NI.split(lengths), attention_RT, strict=True)
    ]
    expected = gradients(torch.cat(step_by_step), weights_RH, leaves)
    lengths_R = torch.tensor(lengths)
    spans = Spans(lengths_R.cumsum(0) - lengths_R, lengths_R)
    project = cell.project_without_bias if rules.scales_inputs else cell.project

    states_RH = evolve(cell, project(x_NI), spans, attention_RT, rules)

    assert_same(gradients(states_RH, weights_RH, leaves), expected)


@each_reset
def test_training_and_serving_walk_to_the_same_states(reset_gate):
    cell, lengths_R = make_cell(reset_gate), torch.tensor([3, 0, 5, 1])
    x_NI = draw(9, INPUT, seed=9)
    with torch.inference_mode():
        served_NH = run_over_behaviors(cell, x_NI, lengths_R)

    trained_NH = run_over_behaviors(cell, x_NI, lengths_R)

    assert torch.equal(trained_NH, served_NH)
