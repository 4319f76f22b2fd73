"""One interest of a DIN: the behaviors' sum, weighted anew for every candidate."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.models.din.config import DinConfig
from app.models.layers.sequences import Pairs, Sequences
from app.models.layers.target_attention import AttentionKeys, TargetAttention, pool

# U users, N behaviors of all users, C candidates, T steps, E embedding,
# X everything that the MLP gets of this interest


@dataclass(frozen=True, slots=True)
class PooledStates:
    """What of an interest does not depend on a candidate."""

    sequences: Sequences
    keys: AttentionKeys
    behavior_sum_UE: Tensor


class PooledInterest(nn.Module):
    """The local activation unit (section 4.3, eq. 1) over the fields of one group."""

    def __init__(self, config: DinConfig, embedding: int, max_behaviors: int) -> None:
        super().__init__()
        self.attention = TargetAttention(
            config, width=embedding, candidate_width=embedding, max_steps=max_behaviors
        )
        self.cold_interest_E = (
            nn.Parameter(torch.randn(embedding).mul_(0.01)) if config.cold_interest else None
        )
        self.width = embedding * (3 if config.sum_pooling else 1)
        self._adds_sums = config.sum_pooling

    def encode(
        self, behaviors_NE: Tensor, _seconds_N: Tensor, sequences: Sequences
    ) -> PooledStates:
        """The keys of attention, and the sum of all behaviors."""
        return PooledStates(
            sequences,
            self.attention.prepare(behaviors_NE, sequences),
            sequences.sum(behaviors_NE),
        )

    def score(
        self, states: PooledStates, candidate_CE: Tensor, user_of_C: Tensor, pairs: Pairs
    ) -> tuple[Tensor, Tensor]:
        """What the MLP gets [C, X], and attention [C, T]."""
        attention_CT = self.attention(candidate_CE, states.keys, pairs)
        interest_CE = pool(attention_CT, states.keys.values_NH, pairs)
        if self.cold_interest_E is not None:
            is_cold_C1 = (states.sequences.lengths_R[user_of_C] == 0).unsqueeze(1)
            interest_CE = torch.where(is_cold_C1, self.cold_interest_E, interest_CE)
        if not self._adds_sums:
            return interest_CE, attention_CT
        behavior_sum_CE = states.behavior_sum_UE.index_select(0, user_of_C)
        parts = [behavior_sum_CE, candidate_CE * behavior_sum_CE, interest_CE]
        return torch.cat(parts, dim=1), attention_CT
