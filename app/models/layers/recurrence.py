"""GRU and its attentional relatives over ragged sequences, in both forms that the field uses."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from app.models.layers.gated_cell import GatedCell
from app.models.layers.one_launch import takes_one_launch, walk_in_one_launch
from app.models.layers.ragged import Spans, StepPlan, starts_of
from app.models.layers.recurrence_gradient import Recurrence, Walk
from app.models.layers.write_rules import (
    WriteRule,
    write_agru,
    write_augru_official,
    write_augru_paper,
    write_gru,
)

# R sequences, N rows of all sequences, P rows of all steps, step after step, I inputs, H hidden,
# G = 3H

AugruForm = Literal["paper", "official"]
Evolution = Literal["augru", "agru", "aigru", "gru", "gru_last_state"]


@dataclass(frozen=True, slots=True)
class EvolutionRule:
    """Where attention enters the second recurrence."""

    write: WriteRule
    scales_inputs: bool = False  # AIGRU, eq. 9

    @classmethod
    def of(cls, evolution: Evolution, form: AugruForm) -> "EvolutionRule":
        match evolution:
            case "augru":
                return cls(write_augru_paper if form == "paper" else write_augru_official)
            case "agru":
                return cls(write_agru)
            case "aigru":
                return cls(write_gru, scales_inputs=True)
            case "gru" | "gru_last_state":
                return cls(write_gru)


def run_over_behaviors(cell: GatedCell, inputs_NI: Tensor, lengths_R: Tensor) -> Tensor:
    """All states [N, H] of a plain GRU that starts at zero, in the order of its inputs."""
    if len(inputs_NI) == 0:
        return inputs_NI.new_empty((0, cell.hidden))
    projected_NG = cell.project(inputs_NI)
    spans = Spans(starts_of(lengths_R), lengths_R)
    if takes_one_launch(cell, projected_NG):
        return walk_in_one_launch(cell, projected_NG, spans, write_gru)
    plan = StepPlan.of(lengths_R)
    row_P = plan.rows(spans.first_row_R)
    projected_PG = projected_NG.index_select(0, row_P)
    no_attention_P1 = projected_PG.new_zeros((len(row_P), 1))
    states_PH = _walk(cell, projected_PG, no_attention_P1, plan, write_gru)
    return torch.empty_like(states_PH).index_copy(0, row_P, states_PH)


def evolve(
    cell: GatedCell,
    projected_NG: Tensor,
    spans: Spans,
    attention_RT: Tensor,
    rule: EvolutionRule,
) -> Tensor:
    """The last state [R, H] of each sequence under attention; zero for an empty one.

    projected_NG: `cell.project(x)` of every behavior, or `project_without_bias` where the rule
    scales inputs.
    """
    if takes_one_launch(cell, projected_NG):
        return walk_in_one_launch(
            cell,
            projected_NG,
            spans,
            rule.write,
            attention_RT.contiguous(),
            scales_inputs=rule.scales_inputs,
        )
    plan = StepPlan.of(spans.lengths_R)
    zero_RH = cell.hidden_weight_GH.new_zeros((len(spans.lengths_R), cell.hidden))
    if not plan.running:
        return zero_RH
    projected_PG = projected_NG.index_select(0, plan.rows(spans.first_row_R))
    attention_P1 = plan.steps(attention_RT).unsqueeze(1)
    if rule.scales_inputs:
        projected_PG = torch.addcmul(cell.input_bias_G, attention_P1, projected_PG)
    states_PH = _walk(cell, projected_PG, attention_P1, plan, rule.write)
    filled_R = spans.lengths_R > 0
    return zero_RH.index_put((filled_R,), states_PH.index_select(0, plan.last(filled_R)))


def _walk(
    cell: GatedCell, projected_PG: Tensor, attention_P1: Tensor, plan: StepPlan, write: WriteRule
) -> Tensor:
    """All states [P, H], step after step."""
    if torch.is_grad_enabled():
        walk = Walk(plan.running, write, cell.reset)
        # Half precision would lose small steps of a state: the recurrence stays in the weights'.
        with torch.autocast(projected_PG.device.type, enabled=False):
            states_PH: Tensor = Recurrence.apply(  # type: ignore[no-untyped-call]
                projected_PG.to(cell.hidden_weight_GH.dtype),
                attention_P1.to(cell.hidden_weight_GH.dtype),
                cell.hidden_weight_GH,
                cell.hidden_bias_G,
                walk,
            )
            return states_PH
    state_KH = projected_PG.new_zeros((plan.running[0], cell.hidden))
    states = []
    for projected_KG, attention_K1 in zip(
        *(torch.split(tensor, plan.running) for tensor in (projected_PG, attention_P1)), strict=True
    ):
        state_KH = cell.step(projected_KG, state_KH[: len(projected_KG)], attention_K1, write)
        states.append(state_KH)
    return torch.cat(states)
