"""The recurrence as one node of the autograd graph, for training: its gradient by hand.

Left to autograd, every step is some thirty nodes on a few rows. Here a step back is a few of them,
and whatever needs no order, the weights' gradients above all, is computed for all steps at once.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from app.models.layers.reset_gates import Gates, ResetForm
from app.models.layers.write_rules import WriteRule

# P rows of all steps, step after step; K rows of one step; H hidden, G = 3H: reset, update, new


@dataclass(frozen=True, slots=True)
class Walk:
    """How to step: the rows that run at each step are a prefix of those before, see `StepPlan`."""

    running: list[int]
    write: WriteRule
    reset: ResetForm


class Recurrence(torch.autograd.Function):
    """All states [P, H] of sequences that start at zero."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch has no type for it
        projected_PG: Tensor,
        attention_P1: Tensor,
        weight_GH: Tensor,
        bias_G: Tensor,
        walk: Walk,
    ) -> Tensor:
        state = projected_PG.new_zeros((walk.running[0], weight_GH.shape[1]))
        recorded = []
        for projected_KG, attention_K1 in zip(
            *(torch.split(tensor, walk.running) for tensor in (projected_PG, attention_P1)),
            strict=True,
        ):
            before = state[: len(projected_KG)]
            gates = walk.reset.gates(projected_KG, before, weight_GH, bias_G)
            state = torch.lerp(before, gates.new_KH, walk.write(gates.update_KH, attention_K1))
            recorded.append(
                (before, gates.reset_KH, gates.update_KH, gates.new_KH, gates.product_KH, state)
            )
        *saved, states_PH = (torch.cat(steps) for steps in zip(*recorded, strict=True))
        ctx.save_for_backward(attention_P1, weight_GH, *saved)
        ctx.walk = walk
        return states_PH

    @staticmethod
    def backward(  # one gradient per argument of forward
        ctx: Any,  # noqa: ANN401 - torch has no type for it
        *gradients: Tensor,
    ) -> tuple[Tensor | None, ...]:
        attention_P1, weight_GH, before, *of_gates = ctx.saved_tensors
        gates, walk = Gates(*of_gates), ctx.walk
        slopes = _Slopes.of(gates, before, attention_P1, walk.write)
        state, reset = _walk_back(gradients[0], gates, before, slopes, weight_GH, walk)
        update, new = state * slopes.update, state * slopes.new
        gates_P2H = torch.cat([reset, update], dim=1)
        new_weight, new_bias = walk.reset.new_part(new, gates.reset_KH, before)
        return (
            torch.cat([gates_P2H, new], dim=1),
            (state * slopes.attention).sum(dim=1, keepdim=True),
            torch.cat([gates_P2H.T @ before, new_weight]),
            torch.cat([gates_P2H.sum(dim=0), new_bias]),
            None,
        )


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives [P, H] of a state by what it was made of; by gates, before their sigmoid."""

    before: Tensor
    new: Tensor
    update: Tensor
    reset: Tensor  # of the gate itself by its input
    attention: Tensor

    @classmethod
    def of(cls, gates: Gates, before: Tensor, attention_P1: Tensor, write: WriteRule) -> "_Slopes":
        update, difference = gates.update_KH, gates.new_KH - before
        written = write(update, attention_P1)
        return cls(
            before=1 - written,
            new=written * (1 - gates.new_KH.square()),
            update=difference * write.by_update(update, attention_P1) * update * (1 - update),
            reset=gates.reset_KH * (1 - gates.reset_KH),
            attention=difference * write.by_attention(update, attention_P1),
        )


def _walk_back(
    gradient_PH: Tensor,
    gates: Gates,
    before: Tensor,
    slopes: _Slopes,
    weight_GH: Tensor,
    walk: Walk,
) -> tuple[Tensor, Tensor]:
    """Gradients [P, H] of each state, with what comes back from later ones, and of reset gates."""
    two = 2 * before.shape[1]
    gate_weight, new_weight = weight_GH[:two], weight_GH[two:]
    state_PH, reset_PH = gradient_PH.clone(), torch.empty_like(gradient_PH)
    of_all_steps = (
        *(state_PH, reset_PH, before, gates.reset_KH, gates.product_KH),
        *(slopes.before, slopes.new, slopes.update, slopes.reset),
    )
    from_later = gradient_PH[:0]
    for state, to_reset, h, r, product, by_before, by_new, by_update, by_reset in reversed(
        list(zip(*(torch.split(tensor, walk.running) for tensor in of_all_steps), strict=True))
    ):
        state[: len(from_later)] += from_later
        through_reset, through_new = walk.reset.back(state * by_new, r, product, h, new_weight)
        torch.mul(through_reset, by_reset, out=to_reset)
        of_gates = torch.cat([to_reset, state * by_update], dim=1)
        from_later = torch.addcmul(through_new, state, by_before).addmm_(of_gates, gate_weight)
    return state_PH, reset_PH
