"""Sequences end to end: no row is padding, which is how models are trained and served."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from app.models.layers.gated_cell import GatedCell
from app.models.layers.precision import at_least_single
from app.models.layers.ragged import (
    RaggedPairs,
    Spans,
    last_of_each,
    starts_of,
    steps_from_end,
    sum_per_sequence,
)
from app.models.layers.recurrence import EvolutionRule, evolve, run_over_behaviors
from app.models.layers.sequences import Sessions
from app.models.layers.sessions import cut_sessions

# R sequences, V of them that are not empty, N rows of all sequences, C candidates, T longest,
# I inputs, H hidden, G = 3H


@dataclass(frozen=True, slots=True)
class RaggedSequences:
    """Row after row, sequence after sequence."""

    lengths_R: Tensor

    def sequence_of_each(self) -> Tensor:
        return torch.repeat_interleave(self.lengths_R)

    def steps(self) -> Tensor:
        sequence_N = self.sequence_of_each()
        rows_N = torch.arange(len(sequence_N), device=sequence_N.device)
        return rows_N - starts_of(self.lengths_R)[sequence_N]

    def steps_from_end(self) -> Tensor:
        return steps_from_end(self.lengths_R)

    def sum(self, values_NX: Tensor) -> Tensor:
        return sum_per_sequence(values_NX, self.lengths_R)

    def last(self, values_NX: Tensor) -> Tensor:
        return last_of_each(values_NX, self.lengths_R)

    def pairs(self, sequence_of_C: Tensor) -> RaggedPairs:
        return RaggedPairs.of(self.lengths_R, sequence_of_C)

    def own_pairs(self) -> RaggedPairs:
        return self.pairs(self.sequence_of_each())

    def run(self, cell: GatedCell, inputs_NI: Tensor) -> Tensor:
        return run_over_behaviors(cell, inputs_NI, self.lengths_R)

    def evolve(
        self,
        cell: GatedCell,
        projected_NG: Tensor,
        attention_CT: Tensor,
        sequence_of_C: Tensor,
        rule: EvolutionRule,
    ) -> Tensor:
        spans = Spans(starts_of(self.lengths_R)[sequence_of_C], self.lengths_R[sequence_of_C])
        return evolve(cell, projected_NG, spans, attention_CT, rule)

    def run_both_ways(self, lstm: nn.LSTM, inputs_NI: Tensor) -> Tensor:
        filled = RaggedSequences(self.lengths_R[self.lengths_R > 0])
        lengths_V = filled.lengths_R
        if len(lengths_V) == 0:
            return inputs_NI.new_empty((0, 2 * lstm.hidden_size))
        at_NN = filled.sequence_of_each(), filled.steps()
        shape = (len(lengths_V), int(lengths_V.max()), inputs_NI.shape[1])
        padded_VTI = inputs_NI.new_zeros(shape).index_put(at_NN, inputs_NI)
        packed = pack_padded_sequence(
            at_least_single(padded_VTI), lengths_V.cpu(), batch_first=True, enforce_sorted=False
        )
        # Half precision would lose small steps of a state.
        with torch.autocast(padded_VTI.device.type, enabled=False):
            packed, _ = lstm(packed)
        states_VTH, _ = pad_packed_sequence(packed, batch_first=True)
        return states_VTH[at_NN]

    def cut_sessions(
        self, seconds_N: Tensor, *, gap_s: int, max_sessions: int, max_session_behaviors: int
    ) -> Sessions:
        cut = cut_sessions(
            seconds_N,
            self.lengths_R,
            gap_s=gap_s,
            max_sessions=max_sessions,
            max_session_behaviors=max_session_behaviors,
        )
        of_users = RaggedSequences(cut.sessions_U)
        place_N = torch.zeros_like(seconds_N)
        return Sessions(
            cut.behavior_M,
            RaggedSequences(cut.lengths_S),
            of_users,
            place_N.index_copy(0, cut.behavior_M, of_users.steps()[cut.session_M]),
        )
