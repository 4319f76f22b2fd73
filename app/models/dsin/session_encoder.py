"""From the behaviors of a session to one vector: bias encoding, self-attention, mean."""

import torch
from torch import Tensor, nn

from app.models.dsin.config import DsinConfig
from app.models.layers.self_attention import SelfAttention
from app.models.layers.sequences import Sessions

# S sessions of all users, M behaviors kept in sessions, K sessions of a user, T positions,
# E embedding


class SessionEncoder(nn.Module):
    """DSIN paper, section 3.3; one transformer block that all sessions share."""

    def __init__(self, config: DsinConfig, embedding: int) -> None:
        super().__init__()
        # The bias encoding of eq. 2: one number per session, position and unit, added up.
        # The newest session is number 0, so that a longer history does not renumber it.
        self.session_bias_K = nn.Parameter(torch.randn(config.max_sessions).mul_(0.02))
        self.position_bias_T = nn.Parameter(torch.randn(config.max_session_behaviors).mul_(0.02))
        self.unit_bias_E = nn.Parameter(torch.randn(embedding).mul_(0.02))
        self.self_attention = SelfAttention(embedding, config.session_heads)

    def forward(self, behaviors_ME: Tensor, sessions: Sessions) -> tuple[Tensor, Tensor]:
        """Interests [S, E], and the share [M] of its session's attention each behavior received."""
        age_M = sessions.of_users.steps_from_end()[sessions.behaviors.sequence_of_each()]
        position_M = sessions.behaviors.steps()
        bias_M1 = (self.session_bias_K[age_M] + self.position_bias_T[position_M]).unsqueeze(1)
        encoded_ME = behaviors_ME + bias_M1 + self.unit_bias_E
        context_ME, received_M = self.self_attention(encoded_ME, sessions.behaviors)
        lengths_S1 = sessions.behaviors.lengths_R.unsqueeze(1)
        return sessions.behaviors.sum(context_ME) / lengths_S1.clamp(min=1), received_M
