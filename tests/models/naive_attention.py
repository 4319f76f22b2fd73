"""Target attention of every kind, for one candidate and the interests of one user."""

from collections.abc import Sequence

import numpy as np

from app.models.layers.attention_config import AttentionConfig
from tests.models.naive_layers import Vector, Weights, activate, encoder_block, linear, net, softmax


class NaiveAttention:
    """DIN paper, section 4.3; DIEN paper, eq. 8; Vaswani et al. 2017, 3.2 for several heads."""

    def __init__(self, config: AttentionConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights

    def attend(self, target: Vector, interests: Sequence[Vector]) -> tuple[Vector, list[Vector]]:
        """One weight per interest, and the interests, in context if configured."""
        interests = self.in_context(interests)
        if not interests:
            return np.zeros(0), []
        query, keys = self.query(target), self.placed(interests)
        heads = self.scores_of_heads(query, keys)
        if self.config.attention_softmax:
            heads = [softmax(scores) for scores in heads]
        return np.mean(heads, axis=0), interests

    def in_context(self, interests: Sequence[Vector]) -> list[Vector]:
        if not self.config.self_attention_heads:
            return list(interests)
        block = self.weights.under("context")
        contexts, _ = encoder_block(block, interests, self.config.self_attention_heads)
        return contexts

    def placed(self, interests: Sequence[Vector]) -> list[Vector]:
        """Each with the position that counts from the newest."""
        if not self.config.position_aware:
            return list(interests)
        newest = len(interests) - 1
        positions = self.weights["position_TH"]
        return [interest + positions[newest - t] for t, interest in enumerate(interests)]

    def query(self, target: Vector) -> Vector:
        if not self.config.query_projection:
            return target
        projected = linear(self.weights.under("query.0"), target)
        return activate(self.weights.under("query.1"), projected, "prelu")

    def scores_of_heads(self, q: Vector, keys: Sequence[Vector]) -> list[list[float]]:
        match self.config.attention:
            case "dot":
                return [[h @ q for h in keys]]
            case "bilinear":
                W = self.weights["kind.weight_HQ"]
                return [[h @ W @ q for h in keys]]
            case "mlp":
                return [[self.activation_unit(q, h) for h in keys]]
            case "multi_head":
                heads = self.config.attention_heads
                return [self.scores_of_head(head, q, keys) for head in range(heads)]

    def activation_unit(self, q: Vector, h: Vector) -> float:
        """A net on both, their difference and their product."""
        first, *rest = self.config.attention_units
        activation = self.config.attention_activation
        x = linear(self.weights.under("kind.first"), np.concatenate([q, h, q - h, q * h]))
        assert len(x) == first
        x = activate(self.weights.under("kind.activation"), x, activation)
        layers = self.weights.under("kind.rest.layers")
        return net(layers, x, depth=len(rest), activation=activation)

    def scores_of_head(self, head: int, q: Vector, keys: Sequence[Vector]) -> list[float]:
        W_q, W_k = self.weights["kind.query.weight"], self.weights["kind.key.weight"]
        width = len(W_k) // self.config.attention_heads
        own = slice(head * width, (head + 1) * width)
        return [(W_q[own] @ q) @ (W_k[own] @ h) / np.sqrt(width) for h in keys]
