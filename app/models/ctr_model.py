"""The two verbs of every model, and what goes into them."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

# U users, N behaviors of all users, C candidates, T steps, F behavior fields,
# S sparse and D dense side fields

States = TypeVar("States")


@dataclass(frozen=True, slots=True)
class SideFeatures:
    """Fields beside the behavior fields, of R users or candidates."""

    sparse_RS: Tensor  # int64 table rows
    dense_RD: Tensor  # float32, standardized


@dataclass(frozen=True, slots=True)
class CandidateFeatures:
    """What is known of C candidates."""

    items_CF: Tensor  # int64 table rows of the behavior fields
    side: SideFeatures


class CtrModel(Protocol[States]):
    """A model whose user part is computed once, and whose candidate part once per candidate."""

    def encode_users(
        self, behaviors_NF: Tensor, lengths_U: Tensor, profile: SideFeatures
    ) -> States:
        """Everything that does not depend on a candidate; behaviors lie user after user."""
        ...

    def score(
        self, user_states: States, candidates: CandidateFeatures, user_of_C: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits [C] and attention [C, T], zero past each user's last behavior."""
        ...
