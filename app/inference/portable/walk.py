"""A recurrence over padded steps: one step, and the loops that torch's compilers keep as loops."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop

from app.models.layers.recurrence import AugruForm, Evolution

# R sequences, T steps, H hidden, G = 3H

# How much of a new state is written: a sum of update gate, attention and their product.
Rule = tuple[float, float, float]

PLAIN: Rule = (1.0, 0.0, 0.0)
AGRU: Rule = (0.0, 1.0, 0.0)
AUGRU_PAPER: Rule = (0.0, 0.0, 1.0)
AUGRU_OFFICIAL: Rule = (1.0, 1.0, -1.0)

# Projected inputs [T, R, G], attention [T, R, 1], and one where a step is real, else zero.
Steps = tuple[Tensor, Tensor, Tensor]
Weights = tuple[Tensor, Tensor]  # of the state: [G, H] and [G]

# The flag says that the state is reset before its product, not after.
Walk = Callable[[Steps, Weights, bool, Rule], Tensor]


@dataclass(frozen=True, slots=True)
class Walks:
    """How to get all states [T, R, H] of a recurrence, or its last [R, H]."""

    all_states: Walk
    last_state: Walk


def rule_of(evolution: Evolution, form: AugruForm) -> Rule:
    if evolution == "augru":
        return AUGRU_PAPER if form == "paper" else AUGRU_OFFICIAL
    return AGRU if evolution == "agru" else PLAIN


def step(
    state_RH: Tensor,
    inputs: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    reset_before: bool,
    rule: tuple[float, float, float],
) -> Tensor:
    """The next state; that of a sequence which has ended stays. TorchScript can compile it."""
    input_RG, attention_R1, real_R1 = inputs
    weight_GH, bias_G = weights
    hidden = state_RH.shape[1]
    two = 2 * hidden
    products = torch.addmm(bias_G[:two], state_RH, weight_GH[:two].t())
    gates = torch.sigmoid(input_RG[:, :two] + products)
    reset, update = gates[:, :hidden], gates[:, hidden:]
    if reset_before:
        product = torch.addmm(bias_G[two:], reset * state_RH, weight_GH[two:].t())
    else:
        product = reset * torch.addmm(bias_G[two:], state_RH, weight_GH[two:].t())
    new = torch.tanh(input_RG[:, two:] + product)
    of_update, of_attention, of_both = rule
    written = of_update * update + of_attention * attention_R1 + of_both * attention_R1 * update
    return state_RH + real_R1 * written * (new - state_RH)


def scripted_states(
    steps: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    reset_before: bool,
    rule: tuple[float, float, float],
) -> Tensor:
    """For TorchScript, which keeps loops of Python."""
    input_TRG, attention_TR1, real_TR1 = steps
    shape = [input_TRG.shape[1], weights[0].shape[1]]
    state_RH = torch.zeros(shape, dtype=input_TRG.dtype, device=input_TRG.device)
    states: list[Tensor] = []
    for t in range(input_TRG.shape[0]):
        inputs = (input_TRG[t], attention_TR1[t], real_TR1[t])
        state_RH = step(state_RH, inputs, weights, reset_before, rule)
        states.append(state_RH)
    return torch.stack(states)


def scripted_last(
    steps: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    reset_before: bool,
    rule: tuple[float, float, float],
) -> Tensor:
    """For TorchScript."""
    input_TRG, attention_TR1, real_TR1 = steps
    shape = [input_TRG.shape[1], weights[0].shape[1]]
    state_RH = torch.zeros(shape, dtype=input_TRG.dtype, device=input_TRG.device)
    for t in range(input_TRG.shape[0]):
        inputs = (input_TRG[t], attention_TR1[t], real_TR1[t])
        state_RH = step(state_RH, inputs, weights, reset_before, rule)
    return state_RH


def exported_states(steps: Steps, weights: Weights, reset_before: bool, rule: Rule) -> Tensor:
    """For torch.export, which would unroll a loop of Python."""

    def advance(t: Tensor, state_RH: Tensor, states_TRH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        following_RH = step(state_RH, _at(t, steps), weights, reset_before, rule)
        kept_TRH = states_TRH.index_copy(0, t.reshape(1), following_RH.unsqueeze(0))
        return t + 1, following_RH, kept_TRH

    first, state_RH = _start(steps, weights)
    states_TRH = steps[0].new_zeros((*steps[0].shape[:2], weights[0].shape[1]))
    _, _, all_TRH = while_loop(  # type: ignore[no-untyped-call]
        lambda t, _state, _states: t < steps[0].shape[0], advance, (first, state_RH, states_TRH)
    )
    states: Tensor = all_TRH
    return states


def exported_last(steps: Steps, weights: Weights, reset_before: bool, rule: Rule) -> Tensor:
    """For torch.export."""

    def advance(t: Tensor, state_RH: Tensor) -> tuple[Tensor, Tensor]:
        return t + 1, step(state_RH, _at(t, steps), weights, reset_before, rule)

    _, last_RH = while_loop(  # type: ignore[no-untyped-call]
        lambda t, _state: t < steps[0].shape[0], advance, _start(steps, weights)
    )
    last: Tensor = last_RH
    return last


def _start(steps: Steps, weights: Weights) -> tuple[Tensor, Tensor]:
    """The number of the first step, and the state before it."""
    first = torch.zeros((), dtype=torch.int64, device=steps[0].device)
    return first, steps[0].new_zeros((steps[0].shape[1], weights[0].shape[1]))


def _at(t: Tensor, steps: Steps) -> Steps:
    input_RG, attention_R1, real_R1 = (
        values.index_select(0, t.reshape(1)).squeeze(0) for values in steps
    )
    return input_RG, attention_R1, real_R1


EXPORTED = Walks(exported_states, exported_last)
