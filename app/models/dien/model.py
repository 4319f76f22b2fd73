"""DIEN behind the two verbs: interests once per user, their evolution once per candidate."""

from torch import Tensor

from app.core.schema import FeatureSchema
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
        """Eq. 6, summed over the groups' interests."""
        clicked, sampled = self.embedding.items(behaviors_NF), self.embedding.items(sampled_NF)
        losses = [
            interest.auxiliary_loss(states, joined(clicked, group), joined(sampled, group))
            for (group, interest), states in zip(self.grouped(), user_states.interests, strict=True)
            if isinstance(interest, EvolvingInterest)
        ]
        return sum(losses, start=losses[0].new_zeros(()))
