"""Recurrences to be computed by whoever can: the naive loops, torch's, and a GPU's kernel."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.models.dien.config import DienConfig
from app.models.layers.gated_cell import GatedCell
from app.models.layers.ragged import Spans
from app.models.layers.recurrence import AugruForm, Evolution, EvolutionRule
from app.models.layers.reset_gates import ResetGate
from tests.models.builders import BARE_SCHEMA
from tests.models.naive_dien import NaiveDien
from tests.models.naive_layers import Vector, Weights

# R sequences, T longest, N rows of all users, U users, I inputs, H hidden, G = 3H

INPUT = 5

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A layer with no weight or bias left at its initial value, for sequences of users."""

    hidden: int
    reset_gate: ResetGate
    evolution: Evolution = "gru"
    augru: AugruForm = "paper"

    def cell(self) -> GatedCell:
        cell = GatedCell(INPUT, self.hidden, self.reset_gate).requires_grad_(False)
        for number, (name, value) in enumerate(cell.named_parameters()):
            spread = self.hidden**-0.5 if name == "hidden_weight_GH" else 1.0
            value.copy_(draw(*value.shape, seed=number) * spread)
        return cell

    def rule(self) -> EvolutionRule:
        return EvolutionRule.of(self.evolution, self.augru)

    def naive_states(self, inputs_NI: Tensor, lengths: list[int]) -> Vector:
        """[N, H]: each user's sequence by itself, in float64."""
        weights = Weights.of(self.cell().state_dict())
        states = [
            self._naive().gru(weights, list(x_TI.double().numpy()), INPUT)
            for x_TI in inputs_NI.split(lengths)
        ]
        return np.concatenate([np.reshape(some, (-1, self.hidden)) for some in states])

    def naive_last_states(
        self, inputs_NI: Tensor, lengths: list[int], user_of_R: list[int], attention_RT: Tensor
    ) -> Vector:
        """[R, H]: of the users' sequences, each under its own attention, in float64."""
        weights = Weights.of(self.cell().state_dict())
        inputs = [list(x_TI.double().numpy()) for x_TI in inputs_NI.split(lengths)]
        return np.stack(
            [
                self._naive().final_interest(
                    weights, inputs[user], a_T[: lengths[user]].double().numpy(), INPUT
                )
                for user, a_T in zip(user_of_R, attention_RT, strict=True)
            ]
        )

    def _naive(self) -> NaiveDien:
        config = DienConfig(
            hidden_size=self.hidden,
            reset_gate=self.reset_gate,
            evolution=self.evolution,
            augru=self.augru,
        )
        return NaiveDien(config, BARE_SCHEMA, {})


FORMS: dict[str, tuple[Evolution, AugruForm]] = {
    "augru": ("augru", "paper"),
    "official augru": ("augru", "official"),
    "agru": ("agru", "paper"),
    "aigru": ("aigru", "paper"),
}


def spans_of(lengths: list[int], user_of_R: list[int]) -> Spans:
    """Sequences that share the rows of their users."""
    lengths_U = torch.tensor(lengths)
    return Spans((lengths_U.cumsum(0) - lengths_U)[user_of_R], lengths_U[user_of_R])


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
