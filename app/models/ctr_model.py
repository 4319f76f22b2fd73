"""The two verbs of every model, and what goes into them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor, nn

from app.models.layers.embedding import FeatureEmbedding, SideFeatures

# U users, N behaviors of all users, C candidates, T steps, F behavior fields

States = TypeVar("States")


@dataclass(frozen=True, slots=True)
class BehaviorFeatures:
    """What is known of the N behaviors of U users: oldest first, user after user."""

    items_NF: Tensor  # int64 table rows of the behavior fields
    seconds_N: Tensor  # int64 unix seconds


@dataclass(frozen=True, slots=True)
class CandidateFeatures:
    """What is known of C candidates."""

    items_CF: Tensor  # int64 table rows of the behavior fields
    side: SideFeatures


class CtrModel(nn.Module, ABC, Generic[States]):
    """A model whose user part is computed once, and whose candidate part once per candidate."""

    def tables(self) -> Iterator[tuple[str, nn.Embedding]]:
        """Every embedding table with its field; an ensemble has them once per member."""
        for module in self.modules():
            if isinstance(module, FeatureEmbedding):
                yield from module.named_tables()

    @abstractmethod
    def encode_users(
        self, behaviors: BehaviorFeatures, lengths_U: Tensor, profile: SideFeatures
    ) -> States:
        """Everything that does not depend on a candidate."""

    @abstractmethod
    def score(
        self, user_states: States, candidates: CandidateFeatures, user_of_C: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits [C] and attention [C, T], zero past each user's last behavior."""

    def auxiliary_loss(
        self, user_states: States, behaviors_NF: Tensor, sampled_NF: Tensor
    ) -> Tensor:
        """What training adds to the click loss; nothing in a model that has no such part.

        sampled_NF: table rows of a negative for each behavior, padding where none was drawn.
        """
        return next(self.parameters()).new_zeros(())
