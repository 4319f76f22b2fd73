"""GRU and its attentional relatives over ragged sequences, in both forms that the field uses.

Gates are in the DIEN paper's sense throughout: the update gate u says how much is WRITTEN,
h' = (1 - u) h + u n. (torch.nn.GRU's z is 1 - u.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from app.models.layers.ragged import StepPlan, starts_of

# R sequences, N steps of all sequences, K sequences still running at a step,
# I input, H hidden, G = 3H

ResetGate = Literal["after", "before"]
AugruForm = Literal["paper", "official"]
Evolution = Literal["augru", "agru", "aigru", "gru", "gru_last_state"]

# (update gate [K, H], attention [K, 1]) to the share of the new state that is written
WriteRule = Callable[[Tensor, Tensor], Tensor]


def write_augru_paper(update_KH: Tensor, attention_K1: Tensor) -> Tensor:
    """DIEN paper eq. 11: attention scales the update gate; none keeps the state."""
    return attention_K1 * update_KH


def write_augru_official(update_KH: Tensor, attention_K1: Tensor) -> Tensor:
    """The official code scales the KEEP gate by 1 - a; no attention is a plain GRU step."""
    return attention_K1 + (1 - attention_K1) * update_KH


def write_agru(update_KH: Tensor, attention_K1: Tensor) -> Tensor:
    """DIEN paper eq. 10: attention replaces the update gate."""
    return attention_K1.expand_as(update_KH)


def write_gru(update_KH: Tensor, attention_K1: Tensor) -> Tensor:
    """A plain GRU ignores attention here."""
    return update_KH


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
    """The weights of one recurrent layer: rows are the reset, update and candidate parts.

    `reset_gate="after"` multiplies r into U h + c, as the paper and cuDNN;
    `"before"` multiplies it into h, as TensorFlow's GRUCell and so the official code.
    """

    def __init__(self, inputs: int, hidden: int, reset_gate: ResetGate) -> None:
        super().__init__()
        self.hidden = hidden
        self._reset_after = reset_gate == "after"
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
        gates = 2 * self.hidden
        x_gates, x_new = projected_KG[:, :gates], projected_KG[:, gates:]
        if self._reset_after:
            products_KG = torch.addmm(self.hidden_bias_G, state_KH, self.hidden_weight_GH.T)
            reset, update = torch.sigmoid(x_gates + products_KG[:, :gates]).chunk(2, dim=1)
            new = torch.tanh(torch.addcmul(x_new, reset, products_KG[:, gates:]))
        else:
            gate_weight, new_weight = self.hidden_weight_GH[:gates], self.hidden_weight_GH[gates:]
            gate_bias, new_bias = self.hidden_bias_G[:gates], self.hidden_bias_G[gates:]
            h_gates = torch.addmm(gate_bias, state_KH, gate_weight.T)
            reset, update = torch.sigmoid(x_gates + h_gates).chunk(2, dim=1)
            new = torch.tanh(x_new + torch.addmm(new_bias, reset * state_KH, new_weight.T))
        return torch.lerp(state_KH, new, write(update, attention_K1))


def run_over_behaviors(cell: GatedCell, inputs_NI: Tensor, lengths_R: Tensor) -> Tensor:
    """All states [N, H] of a plain GRU that starts at zero, in the order of its inputs."""
    if len(inputs_NI) == 0:
        return inputs_NI.new_empty((0, cell.hidden))
    plan = StepPlan.of(lengths_R)
    first_row_R = starts_of(lengths_R)[plan.order_R]
    projected_NG = cell.project(inputs_NI)
    no_attention = inputs_NI.new_zeros((1, 1))
    state = inputs_NI.new_zeros((plan.running[0], cell.hidden))
    rows, states = [], []
    for step, running in enumerate(plan.running):
        rows.append(first_row_R[:running] + step)
        projected_KG = projected_NG.index_select(0, rows[-1])
        state = cell.step(projected_KG, state[:running], no_attention, write_gru)
        states.append(state)
    states_NH = torch.cat(states)
    return torch.empty_like(states_NH).index_copy(0, torch.cat(rows), states_NH)


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
    first_row_R = spans.first_row_R[plan.order_R]
    attention_RT = attention_RT.index_select(0, plan.order_R)
    state = projected_NG.new_zeros((len(attention_RT), cell.hidden))
    finished = []  # shortest sequences first, because they end first
    for step, running in enumerate(plan.running):
        finished.append(state[running:])
        attention_K1 = attention_RT[:running, step : step + 1]
        projected = projected_NG.index_select(0, first_row_R[:running] + step)
        if rule.scales_inputs:
            projected = torch.addcmul(cell.input_bias_G, attention_K1, projected)
        state = cell.step(projected, state[:running], attention_K1, rule.write)
    return plan.restore(torch.cat([state, *reversed(finished)]))
