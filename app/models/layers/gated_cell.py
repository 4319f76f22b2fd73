"""A gated recurrent layer: its weights, and one step of them.

Gates are in the DIEN paper's sense throughout: the update gate u says how much is WRITTEN,
h' = (1 - u) h + u n. (torch.nn.GRU's z is 1 - u.)
"""

import torch
from torch import Tensor, nn

from app.models.layers.reset_gates import ResetGate, reset_form
from app.models.layers.write_rules import WriteRule

# N rows of inputs, K rows of a step, I inputs, H hidden, G = 3H


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
