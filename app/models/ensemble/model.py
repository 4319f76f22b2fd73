"""An ensemble behind the two verbs: each member understands the user and scores the candidate."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from app.models.ctr_model import BehaviorFeatures, CandidateFeatures, CtrModel
from app.models.ensemble.config import EnsembleConfig
from app.models.layers.embedding import SideFeatures

# U users, C candidates, T steps, M members

Member = CtrModel[Any]
MemberStates = tuple[Any, ...]  # in the order of the members


class Ensemble(CtrModel[MemberStates]):
    """The weighted mean of its members' logits, and of their attention.

    Of logits rather than probabilities, which makes it the logarithmic opinion pool: whatever adds
    to every member's log-odds, as the correction for sampled negatives does, adds as much to the
    ensemble's (externally Bayesian: Genest and Zidek 1986, "Combining probability distributions").
    The mean of honest probabilities would not be honest but too unsure (Ranjan and Gneiting 2010).
    """

    def __init__(self, config: EnsembleConfig, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._weights = [member.weight for member in config.members]

    def encode_users(
        self, behaviors: BehaviorFeatures, lengths_U: Tensor, profile: SideFeatures
    ) -> MemberStates:
        return tuple(
            member.encode_users(behaviors, lengths_U, profile) for member in self._models()
        )

    def score(
        self, user_states: MemberStates, candidates: CandidateFeatures, user_of_C: Tensor
    ) -> tuple[Tensor, Tensor]:
        scored = [
            member.score(states, candidates, user_of_C)
            for member, states in zip(self._models(), user_states, strict=True)
        ]
        logits, attention = zip(*scored, strict=True)
        return self.mean(logits), self.mean(attention)

    def _models(self) -> Sequence[Member]:
        return cast("Sequence[Member]", self.members)

    def mean(self, opinions: Sequence[Tensor]) -> Tensor:
        """Of what each member says, by its weight."""
        weighted = [
            weight * opinion for weight, opinion in zip(self._weights, opinions, strict=True)
        ]
        return torch.stack(weighted).sum(dim=0)
