"""Sequences padded to the longest: no shape depends on what is in a tensor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from app.inference.portable.loops import Loop, Steps
from app.inference.portable.padded_pairs import PaddedPairs
from app.inference.portable.padded_sessions import cut_padded
from app.models.layers.gated_cell import GatedCell
from app.models.layers.recurrence import EvolutionRule
from app.models.layers.reset_gates import ResetBefore
from app.models.layers.sequences import Sessions
from app.models.layers.write_rules import WriteRule, write_gru

# R sequences, T steps, N = T R rows, C candidates, I inputs, H hidden, G = 3H


@dataclass(frozen=True, slots=True)
class PaddedSequences:
    """Row t R + r is step t of sequence r."""

    lengths_R: Tensor
    real_TR: Tensor  # bool
    loop: Loop  # walks a recurrence
    most_steps: int  # that there can be in any batch

    @classmethod
    def of(cls, lengths_R: Tensor, longest: int, loop: Loop, most_steps: int) -> "PaddedSequences":
        step_T1 = torch.arange(longest, device=lengths_R.device).unsqueeze(1)
        return cls(lengths_R, step_T1 < lengths_R, loop, most_steps)

    def sequence_of_each(self) -> Tensor:
        sequence_R = torch.arange(self.real_TR.shape[1], device=self.real_TR.device)
        return sequence_R.expand(self.real_TR.shape).flatten()

    def steps(self) -> Tensor:
        return self._step_column().expand(self.real_TR.shape).flatten()

    def steps_from_end(self) -> Tensor:
        """Zero where a row is padding, which any place will do for."""
        return (self.lengths_R - 1 - self._step_column()).clamp(min=0).flatten()

    def sum(self, values_NX: Tensor) -> Tensor:
        return (self._steps_of(values_NX) * self.real_TR.unsqueeze(2)).sum(dim=0)

    def last(self, values_NX: Tensor) -> Tensor:
        sequences = self.real_TR.shape[1]
        sequence_R = torch.arange(sequences, device=self.real_TR.device)
        row_R = (self.lengths_R - 1).clamp(min=0) * sequences + sequence_R
        return values_NX.index_select(0, row_R) * (self.lengths_R > 0).unsqueeze(1)

    def pairs(self, sequence_of_C: Tensor) -> PaddedPairs:
        real_TC = self.real_TR.index_select(1, sequence_of_C)
        return PaddedPairs(sequence_of_C, real_TC, self.real_TR.shape[1])

    def own_pairs(self) -> PaddedPairs:
        pairs = self.pairs(self.sequence_of_each())
        return replace(pairs, real_TC=pairs.real_TC & self.real_TR.flatten())

    def run(self, cell: GatedCell, inputs_NI: Tensor) -> Tensor:
        projected_TRG = self._steps_of(cell.project(inputs_NI))
        no_attention_TR1 = torch.zeros_like(projected_TRG[:, :, :1])
        steps = (projected_TRG, no_attention_TR1, self.real_TR.unsqueeze(2))
        return self._walk(cell, steps, write_gru, keeps_all=True).flatten(0, 1)

    def evolve(
        self,
        cell: GatedCell,
        projected_NG: Tensor,
        attention_CT: Tensor,
        sequence_of_C: Tensor,
        rule: EvolutionRule,
    ) -> Tensor:
        projected_TCG = self._steps_of(projected_NG).index_select(1, sequence_of_C)
        attention_TC1 = attention_CT.t().unsqueeze(2)
        if rule.scales_inputs:
            projected_TCG = cell.input_bias_G + attention_TC1 * projected_TCG
        real_TC1 = self.real_TR.index_select(1, sequence_of_C).unsqueeze(2)
        steps = (projected_TCG, attention_TC1, real_TC1)
        return self._walk(cell, steps, rule.write, keeps_all=False)[0]

    def run_both_ways(self, lstm: nn.LSTM, inputs_NI: Tensor) -> Tensor:
        """Backward is forward through sequences turned around; padding stays behind them."""
        turned_N = self.steps_from_end() * self.real_TR.shape[1] + self.sequence_of_each()
        forward, backward = lstm.all_weights
        return torch.cat(
            [
                self._run_lstm(lstm, forward, inputs_NI),
                self._run_lstm(lstm, backward, inputs_NI[turned_N])[turned_N],
            ],
            dim=1,
        )

    def cut_sessions(
        self, seconds_N: Tensor, *, gap_s: int, max_sessions: int, max_session_behaviors: int
    ) -> Sessions:
        max_sessions = min(max_sessions, self.most_steps)
        behaviors = cut_padded(
            seconds_N.reshape(self.real_TR.shape),
            self.real_TR,
            gap_s=gap_s,
            max_sessions=max_sessions,
            max_session_behaviors=max_session_behaviors,
        )
        return Sessions(
            torch.arange(seconds_N.shape[0], device=seconds_N.device),
            behaviors,
            self.of(behaviors.sessions_U, max_sessions, self.loop, max_sessions),
            behaviors.place_TU.flatten(),
        )

    def _walk(self, cell: GatedCell, steps: Steps, write: WriteRule, *, keeps_all: bool) -> Tensor:
        weights = (cell.hidden_weight_GH, cell.hidden_bias_G)
        return self.loop(steps, weights, cell.reset is ResetBefore, write.terms, keeps_all)

    def _run_lstm(self, lstm: nn.LSTM, weights: Sequence[Tensor], inputs_NI: Tensor) -> Tensor:
        inputs_TRI = self._steps_of(inputs_NI)
        zero_1RH = inputs_NI.new_zeros((1, self.real_TR.shape[1], lstm.hidden_size))
        states_TRH, _, _ = torch.lstm(
            inputs_TRI,
            (zero_1RH, zero_1RH),
            list(weights),
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=False,
            bidirectional=False,
            batch_first=False,
        )
        return states_TRH.flatten(0, 1)

    def _step_column(self) -> Tensor:
        return torch.arange(self.real_TR.shape[0], device=self.real_TR.device).unsqueeze(1)

    def _steps_of(self, values_NX: Tensor) -> Tensor:
        return values_NX.reshape(*self.real_TR.shape, values_NX.shape[1])
