"""DSIN as loops, from the paper's equations (arXiv 1905.06482, section 3)."""

from collections.abc import Sequence

import numpy as np

from app.models.dsin.config import DsinConfig
from tests.models.naive_attention import NaiveAttention
from tests.models.naive_layers import Vector, Weights, encoder_block, sigmoid, weighted_sum
from tests.models.naive_model import NaiveModel
from tests.models.naive_sessions import newest_sessions


class NaiveDsin(NaiveModel[DsinConfig]):
    """Division, extraction, interaction and activation of sessions."""

    def interest(
        self, weights: Weights, behaviors: Sequence[Vector], seconds: Sequence[int], target: Vector
    ) -> tuple[Vector, Vector]:
        sessions = newest_sessions(
            seconds,
            gap_s=self.config.session_gap_s,
            max_sessions=self.config.max_sessions,
            max_session_behaviors=self.config.max_session_behaviors,
        )
        interests, shares = self.session_interests(weights.under("encoder"), sessions, behaviors)
        evolved = self.bi_lstm(weights.under("evolution.lstm"), interests)
        of_interests, pooled = self.activated(
            weights.under("interest_attention"), interests, target, width=len(target)
        )
        of_evolved, pooled_evolved = self.activated(
            weights.under("evolved_attention"), evolved, target, width=2 * self.config.hidden_size
        )
        attention = np.zeros(len(behaviors))
        for k, session in enumerate(sessions):
            attention[session] = (of_interests[k] + of_evolved[k]) / 2 * shares[k]
        return np.concatenate([pooled, pooled_evolved]), attention

    def session_interests(
        self, weights: Weights, sessions: Sequence[Sequence[int]], behaviors: Sequence[Vector]
    ) -> tuple[list[Vector], list[Vector]]:
        """Section 3.3: one vector per session, and the share of attention inside it."""
        interests, shares = [], []
        for k, session in enumerate(sessions):
            age = len(sessions) - 1 - k
            encoded = [
                self.with_bias(weights, behaviors[position], age, t)
                for t, position in enumerate(session)
            ]
            block, heads = weights.under("self_attention"), self.config.session_heads
            contexts, received = encoder_block(block, encoded, heads)
            interests.append(np.mean(contexts, axis=0))  # eq. 5
            shares.append(received)
        return interests, shares

    def with_bias(self, weights: Weights, behavior: Vector, k: int, t: int) -> Vector:
        """Eq. 2: w^K_k + w^T_t + w^C_c is added to unit c of behavior t of session k."""
        encoded = behavior.copy()
        for c in range(len(behavior)):
            encoded[c] += weights["session_bias_K"][k]
            encoded[c] += weights["position_bias_T"][t]
            encoded[c] += weights["unit_bias_E"][c]
        return encoded

    def bi_lstm(self, weights: Weights, interests: Sequence[Vector]) -> list[Vector]:
        """Section 3.4: the state of either direction at each session, side by side."""
        forward = self.lstm(weights, "", interests)
        backward = self.lstm(weights, "_reverse", interests[::-1])[::-1]
        return [np.concatenate(both) for both in zip(forward, backward, strict=True)]

    def lstm(self, weights: Weights, direction: str, inputs: Sequence[Vector]) -> list[Vector]:
        W, U = weights[f"weight_ih_l0{direction}"], weights[f"weight_hh_l0{direction}"]
        bias = weights[f"bias_ih_l0{direction}"] + weights[f"bias_hh_l0{direction}"]
        h = c = np.zeros(self.config.hidden_size)
        states = []
        for x in inputs:
            i, f, g, o = np.split(W @ x + U @ h + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            states.append(h)
        return states

    def activated(
        self, weights: Weights, interests: Sequence[Vector], target: Vector, *, width: int
    ) -> tuple[Vector, Vector]:
        """Section 3.5: a weight per session, and the weighted sum."""
        attention, values = NaiveAttention(self.config, weights).attend(target, interests)
        return attention, weighted_sum(attention, values, width=width)
