"""One interest of a DSIN: sessions understood once per user, weighed once per candidate."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.models.dsin.config import DsinConfig
from app.models.dsin.session_encoder import SessionEncoder
from app.models.dsin.session_evolution import SessionEvolution
from app.models.layers.sequences import Pairs, Sequences, Sessions
from app.models.layers.target_attention import AttentionKeys, TargetAttention, pool

# U users, N behaviors of all users, S sessions of all users, M behaviors kept in sessions,
# C candidates, T steps, K sessions of a user, E embedding, X what the MLP gets of this interest


@dataclass(frozen=True, slots=True)
class SessionStates:
    """What of an interest does not depend on a candidate."""

    sessions: Sessions
    interests: AttentionKeys  # of the sessions themselves
    evolved: AttentionKeys  # of the sessions in the light of the others
    weight_in_session_N: Tensor  # share of its session's attention, zero where it was not kept


class SessionInterest(nn.Module):
    """Feng et al. 2019, section 3, over the fields of one group."""

    def __init__(self, config: DsinConfig, embedding: int) -> None:
        super().__init__()
        self._config = config
        evolved_width = 2 * config.hidden_size
        self.encoder = SessionEncoder(config, embedding)
        self.evolution = SessionEvolution(embedding, config.hidden_size)
        self.interest_attention = TargetAttention(
            config, width=embedding, candidate_width=embedding, max_steps=config.max_sessions
        )
        self.evolved_attention = TargetAttention(
            config, width=evolved_width, candidate_width=embedding, max_steps=config.max_sessions
        )
        self.width = embedding + evolved_width

    def encode(self, behaviors_NE: Tensor, seconds_N: Tensor, users: Sequences) -> SessionStates:
        """Sections 3.2 (division), 3.3 (extraction) and 3.4 (interaction)."""
        sessions = users.cut_sessions(
            seconds_N,
            gap_s=self._config.session_gap_s,
            max_sessions=self._config.max_sessions,
            max_session_behaviors=self._config.max_session_behaviors,
        )
        interests_SE, weight_M = self.encoder(
            behaviors_NE.index_select(0, sessions.behavior_M), sessions
        )
        evolved_SH = self.evolution(interests_SE, sessions.of_users)
        weight_N = weight_M.new_zeros(behaviors_NE.shape[0])
        return SessionStates(
            sessions,
            self.interest_attention.prepare(interests_SE, sessions.of_users),
            self.evolved_attention.prepare(evolved_SH, sessions.of_users),
            weight_N.index_copy(0, sessions.behavior_M, weight_M),
        )

    def score(
        self, states: SessionStates, candidate_CE: Tensor, user_of_C: Tensor, pairs: Pairs
    ) -> tuple[Tensor, Tensor]:
        """Section 3.5: both activation units; `pairs` are of candidates and behaviors.

        A behavior's attention is its session's, the mean of both units, times the weight inside it.
        """
        of_sessions = states.sessions.of_users.pairs(user_of_C)
        interest_CK = self.interest_attention(candidate_CE, states.interests, of_sessions)
        evolved_CK = self.evolved_attention(candidate_CE, states.evolved, of_sessions)
        parts = [
            pool(interest_CK, states.interests.values_NH, of_sessions),
            pool(evolved_CK, states.evolved.values_NH, of_sessions),
        ]
        session_CK = (interest_CK + evolved_CK) / 2
        return torch.cat(parts, dim=1), _of_behaviors(states, session_CK, pairs)


def _of_behaviors(states: SessionStates, attention_CK: Tensor, pairs: Pairs) -> Tensor:
    """[C, T] from the attention on sessions."""
    place_CT = pairs.to_padded(pairs.behaviors_of(states.sessions.place_N), fill=0)
    weight_CT = pairs.to_padded(pairs.behaviors_of(states.weight_in_session_N), fill=0.0)
    return attention_CK.gather(1, place_CT) * weight_CT
