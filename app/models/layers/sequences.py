"""What models ask of sequences, however their rows lie: end to end, or padded for compilers.

Both layouts give the same scores. Of one that pads, some rows are of no sequence: whatever is in
them has no part in a sum, an attention or a state.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from app.models.layers.gated_cell import GatedCell
from app.models.layers.recurrence import EvolutionRule

# R sequences, N rows of all sequences, P (candidate, behavior) pairs, C candidates, T longest,
# M rows of sessions, I inputs, H hidden, G = 3H


class Pairs(Protocol):
    """Every candidate with every behavior of its user."""

    @property
    def candidates(self) -> int: ...
    @property
    def longest(self) -> int: ...

    def candidates_of(self, values_CX: Tensor) -> Tensor:
        """[P, X]: each pair's candidate."""
        ...

    def behaviors_of(self, values_NX: Tensor) -> Tensor:
        """[P, X], or [P] of values [N]: each pair's behavior."""
        ...

    def to_padded(self, values_P: Tensor, fill: float) -> Tensor:
        """[P] as [C, T], or [P, X] as [C, T, X]; `fill` where a candidate has no such step."""
        ...

    def from_padded(self, values_CT: Tensor) -> Tensor:
        """The values [P] of the pairs out of a padded matrix."""
        ...

    def sum_per_candidate(self, values_PX: Tensor) -> Tensor:
        """[C, X]: the sum over each candidate's pairs, zero where it has none."""
        ...

    def sum_per_behavior(self, values_P: Tensor, behaviors: int) -> Tensor:
        """[N]: the sum over the pairs of each of so many behaviors, zero where it has none."""
        ...


class Groups(Protocol):
    """Rows, each of one of R sequences."""

    @property
    def lengths_R(self) -> Tensor: ...  # noqa: N802 - a field

    def sequence_of_each(self) -> Tensor:
        """The sequence of each row."""
        ...

    def steps(self) -> Tensor:
        """How many rows of its sequence come before each row."""
        ...

    def sum(self, values_NX: Tensor) -> Tensor:
        """[R, X]: over each sequence's rows, zero for an empty one."""
        ...

    def own_pairs(self) -> Pairs:
        """Every row as a candidate, with all rows of its own sequence."""
        ...


class Sequences(Groups, Protocol):
    """Groups whose rows lie in their order, so that states can be carried along."""

    def steps_from_end(self) -> Tensor:
        """How many rows of its sequence come after each row."""
        ...

    def last(self, values_NX: Tensor) -> Tensor:
        """[R, X]: the last row of each sequence, zero for an empty one."""
        ...

    def pairs(self, sequence_of_C: Tensor) -> Pairs:
        """Candidates, each with the rows of one sequence."""
        ...

    def run(self, cell: GatedCell, inputs_NI: Tensor) -> Tensor:
        """All states [N, H] of a plain GRU that starts at zero."""
        ...

    def evolve(
        self,
        cell: GatedCell,
        projected_NG: Tensor,
        attention_CT: Tensor,
        sequence_of_C: Tensor,
        rule: EvolutionRule,
    ) -> Tensor:
        """The last state [C, H] under each candidate's attention; zero for an empty sequence.

        projected_NG: `cell.project(x)`, or `project_without_bias` where the rule scales inputs.
        """
        ...

    def run_both_ways(self, lstm: nn.LSTM, inputs_NI: Tensor) -> Tensor:
        """All states [N, 2H] of a bidirectional LSTM of one layer."""
        ...

    def cut_sessions(
        self, seconds_N: Tensor, *, gap_s: int, max_sessions: int, max_session_behaviors: int
    ) -> "Sessions":
        """Where silence cuts them (app/models/layers/sessions.py)."""
        ...


@dataclass(frozen=True, slots=True)
class Sessions:
    """Of the behaviors of users, those that are kept in sessions, and the sessions of users."""

    behavior_M: Tensor  # rows of the behaviors
    behaviors: Groups  # these, each of one session
    of_users: Sequences  # the sessions themselves
    place_N: Tensor  # of each behavior's session among its user's; any where it was not kept


def dot_per_head(pairs: Pairs, query_CH: Tensor, keys_NH: Tensor, heads: int) -> Tensor:
    """[P, K]: each head's scalar product of the pair's candidate and behavior."""
    products_PH = pairs.candidates_of(query_CH) * pairs.behaviors_of(keys_NH)
    rows, width = products_PH.shape
    return products_PH.view(rows, heads, width // heads).sum(dim=2)
