"""GRU and its attentional relatives over ragged sequences, in both forms that the field uses.

Gates are in the DIEN paper's sense throughout: the update gate u says how much is WRITTEN,
h' = (1 - u) h + u n. (torch.nn.GRU's z is 1 - u.)
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from app.models.layers.ragged import StepPlan, starts_of
from app.models.layers.recurrence_gradient import Recurrence, Walk
from app.models.layers.reset_gates import ResetGate, reset_form
from app.models.layers.write_rules import (
    WriteRule,
    write_agru,
    write_augru_official,
    write_augru_paper,
    write_gru,
)

# R sequences, N steps of all sequences, K sequences still running at a step,
# P rows of all steps, step after step, I input, H hidden, G = 3H

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


@dataclass(frozen=True, slots=True)
class Spans:
    """Where each of R sequences lies; candidates of one user share its rows."""

    first_row_R: Tensor
    lengths_R: Tensor


class GatedCell(nn.Module):
    """The weights of one recurrent layer: rows are the reset, update and new parts."""

    def __init__(self, inputs: int, hidden: int, reset_gate: ResetGate) -> None:
        super().__init__()
        self.hidden = hidden
        self.reset = reset_form(reset_gate)
        self.input_weight_GI = nn.Parameter(torch.empty(3 * hidden, inputs))
        self.input_bias_G = nn.Parameter(torch.zeros(3 * hidden))
        self.hidden_weight_GH = nn.Parameter(torch.empty(3 * hidden, hidden))
        self.hidden_bias_G = nn.Parameter(torch.zeros(3 * hidden))
        for block in self.input_weight_GI.chunk(3):
            nn.init.xavier_uniform_(block)
        for block in self.hidden_weight_GH.chunk(3):
            nn.init.orthogonal_(block)

    def project(self, inputs_NI: Tensor) -> Tensor:
        """W x + b for all three parts: the half that needs no state."""
        return torch.addmm(self.input_bias_G, inputs_NI, self.input_weight_GI.T)

    def project_without_bias(self, inputs_NI: Tensor) -> Tensor:
        """W x: AIGRU scales it by attention before the bias comes in."""
        return inputs_NI @ self.input_weight_GI.T

    def step(
        self, projected_KG: Tensor, state_KH: Tensor, attention_K1: Tensor, write: WriteRule
    ) -> Tensor:
        """The next state [K, H]."""
        gates = self.reset.gates(projected_KG, state_KH, self.hidden_weight_GH, self.hidden_bias_G)
        return torch.lerp(state_KH, gates.new_KH, write(gates.update_KH, attention_K1))


def run_over_behaviors(cell: GatedCell, inputs_NI: Tensor, lengths_R: Tensor) -> Tensor:
    """All states [N, H] of a plain GRU that starts at zero, in the order of its inputs."""
    if len(inputs_NI) == 0:
        return inputs_NI.new_empty((0, cell.hidden))
    plan = StepPlan.of(lengths_R)
    row_P = plan.rows(starts_of(lengths_R))
    projected_PG = cell.project(inputs_NI).index_select(0, row_P)
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
