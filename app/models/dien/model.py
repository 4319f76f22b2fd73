"""DIEN behind the two verbs: interests once per user, their evolution once per candidate."""

import torch
from torch import Tensor

from app.core.schema import FeatureSchema
from app.models.dien.auxiliary import followed_steps
from app.models.dien.config import DienConfig
from app.models.dien.evolving_interest import EvolvingInterest, EvolvingStates
from app.models.interest_model import InterestModel, UserStates
from app.models.layers.embedding import joined


class Dien(InterestModel[EvolvingStates]):
    """Zhou et al. 2019, section 3, with the variants of `DienConfig`."""

    def __init__(self, config: DienConfig, schema: FeatureSchema) -> None:
        super().__init__(
            config,
            schema,
            lambda width: EvolvingInterest(config, width, schema.max_behaviors),
        )

    def auxiliary_loss(
        self, user_states: UserStates[EvolvingStates], behaviors_NF: Tensor, sampled_NF: Tensor
    ) -> Tensor:
        """Eq. 6, summed over the groups' interests; only where a negative was drawn."""
        next_M = followed_steps(sampled_NF[:, 0], user_states.sequences.lengths_R)
        clicked = self.embedding.items(behaviors_NF[next_M])
        sampled = self.embedding.items(sampled_NF[next_M])
        losses = [
            interest.auxiliary_loss(states, next_M, joined(clicked, group), joined(sampled, group))
            for (group, interest), states in zip(self.grouped(), user_states.interests, strict=True)
            if isinstance(interest, EvolvingInterest)
        ]
        return torch.stack(losses).sum()
