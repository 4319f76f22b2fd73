"""A light net and its booster on the same tables, as one thing to train."""

from typing import Any

from torch import Tensor

from app.models.ctr_model import BehaviorFeatures, CandidateFeatures, CtrModel
from app.models.interest_model import InterestModel
from app.models.layers.embedding import SideFeatures


class RocketLaunch(CtrModel[Any]):
    """Zhou et al., AAAI 2018 (arXiv 1708.04106); asked, the light net answers."""

    def __init__(self, light: InterestModel[Any], booster: InterestModel[Any]) -> None:
        super().__init__()
        del booster.embedding
        # Looked up in, but not registered once more: every weight has one name and one owner.
        object.__setattr__(booster, "embedding", light.embedding)
        self.light = light
        self.booster = booster

    def encode_users(
        self, behaviors: BehaviorFeatures, lengths_U: Tensor, profile: SideFeatures
    ) -> Any:  # noqa: ANN401 - the light net's states
        return self.light.encode_users(behaviors, lengths_U, profile)

    def score(
        self,
        user_states: Any,  # noqa: ANN401
        candidates: CandidateFeatures,
        user_of_C: Tensor,
    ) -> tuple[Tensor, Tensor]:
        return self.light.score(user_states, candidates, user_of_C)
