"""A recurrence over padded steps: one step, and the loops that torch's compilers keep as loops."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop

# R sequences, T steps, H hidden, G = 3H

# Projected inputs [T, R, G], attention [T, R, 1], and whether a step is real [T, R, 1].
Steps = tuple[Tensor, Tensor, Tensor]
Weights = tuple[Tensor, Tensor]  # of the state: [G, H] and [G]
Terms = tuple[float, float, float]  # of a `WriteRule`

# Whether the state is reset before its product, not after, is the first flag; the second, whether
# all states are wanted [T, R, H], or only the last one [1, R, H].
Loop = Callable[[Steps, Weights, bool, Terms, bool], Tensor]


def step(
    state_RH: Tensor,
    inputs: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    reset_before: bool,
    terms: tuple[float, float, float],
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
    of_update, of_attention, of_both = terms
    written = of_update * update + of_attention * attention_R1 + of_both * attention_R1 * update
    return state_RH + real_R1 * written * (new - state_RH)


def scripted_loop(
    steps: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor],
    reset_before: bool,
    terms: tuple[float, float, float],
    keeps_all: bool,
) -> Tensor:
    """For TorchScript, which keeps loops of Python."""
    input_TRG, attention_TR1, real_TR1 = steps
    shape = [input_TRG.shape[1], weights[0].shape[1]]
    state_RH = torch.zeros(shape, dtype=input_TRG.dtype, device=input_TRG.device)
    states: list[Tensor] = []
    for t in range(input_TRG.shape[0]):
        inputs = (input_TRG[t], attention_TR1[t], real_TR1[t])
        state_RH = step(state_RH, inputs, weights, reset_before, terms)
        if keeps_all:
            states.append(state_RH)
    return torch.stack(states) if keeps_all else state_RH.unsqueeze(0)


def exported_loop(
    steps: Steps, weights: Weights, reset_before: bool, terms: Terms, keeps_all: bool
) -> Tensor:
    """For torch.export, which would unroll a loop of Python."""
    longest, sequences, _ = steps[0].shape

    def advance(t: Tensor, state_RH: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
        row = t.reshape(1)
        input_RG, attention_R1, real_R1 = (x.index_select(0, row).squeeze(0) for x in steps)
        inputs = (input_RG, attention_R1, real_R1)
        following_RH = step(state_RH, inputs, weights, reset_before, terms)
        kept = tuple(states.index_copy(0, row, following_RH.unsqueeze(0)) for states in kept)
        return t + 1, following_RH, *kept

    first = torch.zeros((), dtype=torch.int64, device=steps[0].device)
    state_RH = steps[0].new_zeros((sequences, weights[0].shape[1]))
    # Every turn copies all that it hands on.
    kept = (state_RH.new_zeros((longest, *state_RH.shape)),) if keeps_all else ()
    _, last_RH, *kept_TRH = while_loop(  # type: ignore[no-untyped-call]
        lambda t, *_: t < longest, advance, (first, state_RH, *kept)
    )
    states: Tensor = kept_TRH[0] if keeps_all else last_RH.unsqueeze(0)
    return states
