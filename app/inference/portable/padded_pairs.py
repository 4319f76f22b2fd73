"""Candidates with all steps of a padded sequence, of which some are nobody's."""

from dataclasses import dataclass

from torch import Tensor

# C candidates, T steps, R sequences, N = T R rows, P = T C pairs


@dataclass(frozen=True, slots=True)
class PaddedPairs:
    """Pair t C + c is candidate c with step t of its sequence."""

    sequence_of_C: Tensor
    real_TC: Tensor  # bool
    sequences: int  # R

    @property
    def candidates(self) -> int:
        return self.real_TC.shape[1]

    @property
    def longest(self) -> int:
        return self.real_TC.shape[0]

    def candidates_of(self, values_CX: Tensor) -> Tensor:
        return values_CX.expand(self.longest, *values_CX.shape).flatten(0, 1)

    def behaviors_of(self, values_NX: Tensor) -> Tensor:
        values_TRX = values_NX.reshape(self.longest, self.sequences, *values_NX.shape[1:])
        return values_TRX.index_select(1, self.sequence_of_C).flatten(0, 1)

    def to_padded(self, values_P: Tensor, fill: float) -> Tensor:
        values_TC = self._steps_of(values_P)
        real_TC = self.real_TC if values_TC.dim() == 2 else self.real_TC.unsqueeze(2)
        return values_TC.masked_fill(~real_TC, fill).transpose(0, 1)

    def from_padded(self, values_CT: Tensor) -> Tensor:
        return values_CT.transpose(0, 1).flatten(0, 1)

    def sum_per_candidate(self, values_PX: Tensor) -> Tensor:
        return (self._steps_of(values_PX) * self.real_TC.unsqueeze(2)).sum(dim=0)

    def sum_per_behavior(self, values_P: Tensor, behaviors: int) -> Tensor:
        real_TC = self._steps_of(values_P) * self.real_TC
        sums_TR = values_P.new_zeros((self.longest, self.sequences))
        return sums_TR.index_add(1, self.sequence_of_C, real_TC).flatten()

    def _steps_of(self, values_P: Tensor) -> Tensor:
        return values_P.reshape(*self.real_TC.shape, *values_P.shape[1:])
