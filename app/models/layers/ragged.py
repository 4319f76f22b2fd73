"""Sequences of different lengths end to end in one tensor: which rows are whose."""

from dataclasses import dataclass

import torch
from torch import Tensor

# R sequences, N rows of all sequences, P (candidate, behavior) pairs, C candidates, T longest


def sum_per_sequence(values_NX: Tensor, lengths_R: Tensor) -> Tensor:
    """[R, X]: the sum over each sequence's rows, zero for an empty one."""
    sums_RX = values_NX.new_zeros((len(lengths_R), values_NX.shape[1]))
    row_N = torch.repeat_interleave(lengths_R, output_size=len(values_NX))
    return sums_RX.index_add(0, row_N, values_NX)


def last_of_each(values_NX: Tensor, lengths_R: Tensor) -> Tensor:
    """[R, X]: the last row of each sequence, zero for an empty one."""
    last_RX = values_NX.new_zeros((len(lengths_R), values_NX.shape[1]))
    filled = lengths_R > 0
    last_RX[filled] = values_NX.index_select(0, lengths_R.cumsum(0)[filled] - 1)
    return last_RX


def steps_from_end(lengths_R: Tensor) -> Tensor:
    """[N]: how many rows of its sequence come after each row."""
    ends_N = torch.repeat_interleave(lengths_R.cumsum(0), lengths_R)
    return ends_N - 1 - torch.arange(len(ends_N), device=lengths_R.device)


def starts_of(lengths_R: Tensor) -> Tensor:
    """The first row of each sequence."""
    return lengths_R.cumsum(0) - lengths_R


@dataclass(frozen=True, slots=True)
class Spans:
    """Where each of R sequences lies; candidates of one user share its rows."""

    first_row_R: Tensor
    lengths_R: Tensor


@dataclass(frozen=True, slots=True)
class StepPlan:
    """How to walk R sequences step by step without a padded row.

    Sequences are taken longest first, so those still running at a step are a prefix of `order_R`.
    The P rows of a walk are those of step 0, then those of step 1, and so on.
    """

    order_R: Tensor
    lengths_R: Tensor  # in the caller's order
    running: list[int]  # how many sequences have a step 0, 1, 2, ...
    rank_P: Tensor  # place in `order_R` of each row of the walk
    step_P: Tensor

    @classmethod
    def of(cls, lengths_R: Tensor) -> "StepPlan":
        order_R = torch.argsort(lengths_R, descending=True, stable=True)
        longest = int(lengths_R.max()) if len(lengths_R) else 0
        counts = torch.bincount(lengths_R, minlength=longest + 1)
        running_T = len(lengths_R) - counts.cumsum(0)[:longest]
        step_P = torch.repeat_interleave(running_T)
        rank_P = torch.arange(len(step_P), device=lengths_R.device) - starts_of(running_T)[step_P]
        return cls(order_R, lengths_R, running_T.tolist(), rank_P, step_P)

    def rows(self, first_row_R: Tensor) -> Tensor:
        """[P]: the row of each step, of sequences that begin at these rows."""
        return first_row_R[self.order_R][self.rank_P] + self.step_P

    def steps(self, values_RT: Tensor) -> Tensor:
        """[P]: the value of each step."""
        return values_RT[self.order_R[self.rank_P], self.step_P]

    def last(self, filled_R: Tensor) -> Tensor:
        """Where in the walk the last steps of these non-empty sequences are, in their order."""
        rank_R = torch.empty_like(self.order_R)
        rank_R[self.order_R] = torch.arange(len(rank_R), device=rank_R.device)
        step_starts_T = starts_of(torch.tensor(self.running, device=rank_R.device))
        return step_starts_T[self.lengths_R[filled_R] - 1] + rank_R[filled_R]


@dataclass(frozen=True, slots=True)
class RaggedPairs:
    """Candidate after candidate; no padding."""

    candidate_P: Tensor
    step_P: Tensor
    behavior_P: Tensor  # row in the users' behaviors
    candidates: int
    longest: int

    @classmethod
    def of(cls, lengths_U: Tensor, user_of_C: Tensor) -> "RaggedPairs":
        lengths_C = lengths_U[user_of_C]
        pairs, longest = _sum_and_longest(lengths_C)
        candidate_P = torch.repeat_interleave(lengths_C, output_size=pairs)
        step_P = torch.arange(len(candidate_P), device=lengths_C.device)
        step_P = step_P - starts_of(lengths_C)[candidate_P]
        behavior_P = starts_of(lengths_U)[user_of_C][candidate_P] + step_P
        return cls(candidate_P, step_P, behavior_P, len(user_of_C), longest)

    def candidates_of(self, values_CX: Tensor) -> Tensor:
        """(index_select: several times faster than indexing.)"""
        return values_CX.index_select(0, self.candidate_P)

    def behaviors_of(self, values_NX: Tensor) -> Tensor:
        return values_NX.index_select(0, self.behavior_P)

    def to_padded(self, values_P: Tensor, fill: float) -> Tensor:
        padded_CT = values_P.new_full((self.candidates, self.longest, *values_P.shape[1:]), fill)
        return padded_CT.index_put((self.candidate_P, self.step_P), values_P)

    def from_padded(self, values_CT: Tensor) -> Tensor:
        return values_CT[self.candidate_P, self.step_P]

    def sum_per_candidate(self, values_PX: Tensor) -> Tensor:
        sums_CX = values_PX.new_zeros((self.candidates, values_PX.shape[1]))
        return sums_CX.index_add(0, self.candidate_P, values_PX)

    def sum_per_behavior(self, values_P: Tensor, behaviors: int) -> Tensor:
        return values_P.new_zeros(behaviors).index_add(0, self.behavior_P, values_P)


def _sum_and_longest(lengths_R: Tensor) -> tuple[int, int]:
    """In one wait for the device that they are on."""
    if len(lengths_R) == 0:
        return 0, 0
    total, longest = torch.stack((lengths_R.sum(), lengths_R.max())).tolist()
    return total, longest
