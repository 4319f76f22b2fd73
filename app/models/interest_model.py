"""What DIN, DIEN and DSIN have in common: interests between the embeddings and the last MLP."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Protocol, TypeVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from app.core.request import BEHAVIOR_FIELDS
from app.core.schema import FeatureSchema
from app.models.ctr_model import BehaviorFeatures, CandidateFeatures, CtrModel
from app.models.layers.activation import ActivationName
from app.models.layers.attention_config import AttentionConfig, Units
from app.models.layers.embedding import FeatureEmbedding, SideFeatures, joined
from app.models.layers.mlp import Mlp
from app.models.layers.ragged_sequences import RaggedSequences
from app.models.layers.sequences import Pairs, Sequences

# U users, N behaviors of all users, C candidates, T steps, E embedding of a group's fields,
# X what the MLP gets of an interest, I embedded profile, S embedded side fields

InterestStates = TypeVar("InterestStates")

FieldNames = Annotated[tuple[str, ...], Field(min_length=1)]


class InterestConfig(AttentionConfig):
    """What every architecture states beside its attention."""

    # Behavior fields that are looked at together; each group has an interest of its own.
    field_groups: tuple[FieldNames, ...] = Field(default=(BEHAVIOR_FIELDS,), min_length=1)
    mlp_units: tuple[Units, ...] = (200, 80)
    mlp_activation: ActivationName = "dice"
    embedding_init_std: float = Field(default=0.05, gt=0, allow_inf_nan=False)


class Interest(Protocol[InterestStates]):
    """What a user wants, as one group of behavior fields tells it; a torch module."""

    width: int  # X

    def encode(
        self, behaviors_NE: Tensor, seconds_N: Tensor, sequences: Sequences
    ) -> InterestStates:
        """Everything that does not depend on a candidate."""
        ...

    def score(
        self, states: InterestStates, candidate_CE: Tensor, user_of_C: Tensor, pairs: Pairs
    ) -> tuple[Tensor, Tensor]:
        """What the MLP gets [C, X], and attention [C, T]."""
        ...


@dataclass(frozen=True, slots=True)
class UserStates(Generic[InterestStates]):
    """Everything of U users that does not depend on a candidate."""

    sequences: Sequences
    interests: tuple[InterestStates, ...]  # one per group of fields
    profile_UI: Tensor  # embedded user-side fields and numbers


class InterestModel(CtrModel[UserStates[InterestStates]]):
    """Embeddings, an interest per group of fields, and an MLP over all of it."""

    def __init__(
        self,
        config: InterestConfig,
        schema: FeatureSchema,
        make_interest: Callable[[int], nn.Module],
    ) -> None:
        """`make_interest` gets the width of a group's embedding.

        Raises ValueError for an architecture that does not fit its features.
        """
        super().__init__()
        self.embedding = FeatureEmbedding(schema, init_std=config.embedding_init_std)
        self.groups = config.field_groups
        self.interests = nn.ModuleList(
            make_interest(self.embedding.width_of(group)) for group in self.groups
        )
        inputs = self.embedding.width_beside_interests
        inputs += sum(interest.width for _, interest in self.grouped())
        self.mlp = Mlp(inputs, config.mlp_units, config.mlp_activation)

    def grouped(self) -> Iterator[tuple[Sequence[str], Interest[InterestStates]]]:
        """Each group of fields with its interest."""
        interests = cast("Sequence[Interest[InterestStates]]", self.interests)
        return zip(self.groups, interests, strict=True)

    def encode_users(
        self, behaviors: BehaviorFeatures, lengths_U: Tensor, profile: SideFeatures
    ) -> UserStates[InterestStates]:
        return self.encode_embedded(
            self.embedding.items(behaviors.items_NF),
            behaviors.seconds_N,
            RaggedSequences(lengths_U),
            self.embedding.profile(profile),
        )

    def encode_embedded(
        self,
        behaviors: Mapping[str, Tensor],
        seconds_N: Tensor,
        sequences: Sequences,
        profile_UI: Tensor,
    ) -> UserStates[InterestStates]:
        """From the embedding of each behavior field, in any layout of rows."""
        interests = tuple(
            interest.encode(joined(behaviors, group), seconds_N, sequences)
            for group, interest in self.grouped()
        )
        return UserStates(sequences, interests, profile_UI)

    def score(
        self,
        user_states: UserStates[InterestStates],
        candidates: CandidateFeatures,
        user_of_C: Tensor,
    ) -> tuple[Tensor, Tensor]:
        return self.score_embedded(
            user_states,
            self.embedding.items(candidates.items_CF),
            self.embedding.candidate_side(candidates.side),
            user_of_C,
        )

    def score_embedded(
        self,
        user_states: UserStates[InterestStates],
        candidates: Mapping[str, Tensor],
        side_CS: Tensor,
        user_of_C: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """With several groups, a behavior's attention is the mean of what each gives it."""
        pairs = user_states.sequences.pairs(user_of_C)
        scored = [
            interest.score(states, joined(candidates, group), user_of_C, pairs)
            for (group, interest), states in zip(self.grouped(), user_states.interests, strict=True)
        ]
        parts = [
            user_states.profile_UI.index_select(0, user_of_C),
            *candidates.values(),
            *(interest_CX for interest_CX, _ in scored),
            side_CS,
        ]
        logits_C: Tensor = self.mlp(torch.cat(parts, dim=1))
        return logits_C, torch.stack([attention_CT for _, attention_CT in scored]).mean(dim=0)
