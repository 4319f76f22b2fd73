"""DIEN as loops, from the paper's equations (arXiv 1809.03672) and the official recurrences."""

from collections.abc import Sequence

import numpy as np

from app.models.dien.config import DienConfig
from tests.models.builders import ItemRows, User
from tests.models.naive_attention import NaiveAttention
from tests.models.naive_layers import Vector, Weights, net, sigmoid
from tests.models.naive_model import NaiveModel, joined, with_sums


class NaiveDien(NaiveModel[DienConfig]):
    """Section 3, with every variant of the second recurrence."""

    def interest(
        self, weights: Weights, behaviors: Sequence[Vector], seconds: Sequence[int], target: Vector
    ) -> tuple[Vector, Vector]:
        interests = self.gru(weights.under("extractor"), behaviors, len(target))
        if self.config.evolution in ("gru", "gru_last_state"):
            interests = self.gru(weights.under("evolution"), interests, len(target))
        if self.config.evolution == "gru_last_state":
            attention = np.zeros(len(behaviors))
        else:
            attend = NaiveAttention(self.config, weights.under("attention")).attend
            attention, interests = attend(target, interests)
        final = self.final_interest(weights.under("evolution"), interests, attention, len(target))
        return with_sums(behaviors, target, final) if self.config.sum_pooling else final, attention

    def auxiliary_loss(self, users: Sequence[User], sampled: Sequence[Sequence[ItemRows]]) -> float:
        """Eq. 6, averaged over every step of every user that has a next one; summed over groups."""
        losses = []
        for weights, group in self.groups():
            terms = []
            for user, negatives in zip(users, sampled, strict=True):
                clicked = [joined(self.embed_item(rows), group) for rows in user.behaviors]
                unclicked = [joined(self.embed_item(rows), group) for rows in negatives]
                terms += self.auxiliary_terms(weights, clicked, unclicked)
            losses.append(np.mean(terms) if terms else 0.0)
        return float(sum(losses))

    def auxiliary_terms(
        self, weights: Weights, clicked: Sequence[Vector], unclicked: Sequence[Vector]
    ) -> list[float]:
        terms = []
        for t, interest in enumerate(
            self.gru(weights.under("extractor"), clicked[:-1], len(clicked[0])) if clicked else []
        ):
            p_clicked = self.next_probability(weights, interest, clicked[t + 1])
            p_sampled = self.next_probability(weights, interest, unclicked[t + 1])
            terms.append(-np.log(p_clicked) - np.log(1.0 - p_sampled))
        return terms

    def next_probability(self, weights: Weights, interest: Vector, embedded: Vector) -> float:
        pair = np.concatenate([interest, embedded])
        layers, depth = weights.under("auxiliary.net.layers"), len(self.config.auxiliary_units)
        return float(sigmoid(np.float64(net(layers, pair, depth=depth, activation="sigmoid"))))

    def zero_state(self, embedding: int) -> Vector:
        return np.zeros(self.config.hidden_size or embedding)

    def gru(self, weights: Weights, inputs: Sequence[Vector], embedding: int) -> list[Vector]:
        """Eq. 2 to 5: every state."""
        h = self.zero_state(embedding)
        states = []
        for x in inputs:
            u, new = self.gates(weights, x, h)
            h = (1.0 - u) * h + u * new
            states.append(h)
        return states

    def gates(self, weights: Weights, x: Vector, h: Vector) -> tuple[Vector, Vector]:
        """The update gate of eq. 2, and the candidate state of eq. 4 or of TensorFlow's GRUCell."""
        W_r, W_u, W_h = np.split(weights["input_weight_GI"], 3)
        U_r, U_u, U_h = np.split(weights["hidden_weight_GH"], 3)
        b_r, b_u, b_h = np.split(weights["input_bias_G"], 3)
        c_r, c_u, c_h = np.split(weights["hidden_bias_G"], 3)
        r = sigmoid(W_r @ x + b_r + U_r @ h + c_r)
        u = sigmoid(W_u @ x + b_u + U_u @ h + c_u)
        if self.config.reset_gate == "after":
            return u, np.tanh(W_h @ x + b_h + r * (U_h @ h + c_h))
        return u, np.tanh(W_h @ x + b_h + U_h @ (r * h) + c_h)

    def final_interest(
        self, weights: Weights, interests: Sequence[Vector], attention: Vector, embedding: int
    ) -> Vector:
        """Section 3.4: the last state of the evolution, or the attention-weighted sum."""
        h = self.zero_state(embedding)
        for interest, a in zip(interests, attention, strict=True):
            h = self.evolve_step(weights, h, interest, a)
        return h

    def evolve_step(self, weights: Weights, h: Vector, interest: Vector, a: float) -> Vector:
        match self.config.evolution:
            case "gru_last_state":
                return interest
            case "gru":
                return h + a * interest
            case "aigru":  # eq. 9
                u, new = self.gates(weights, a * interest, h)
                return (1.0 - u) * h + u * new
            case "agru":  # eq. 10
                _, new = self.gates(weights, interest, h)
                return (1.0 - a) * h + a * new
            case "augru":
                return self.augru_step(weights, h, interest, a)

    def augru_step(self, weights: Weights, h: Vector, interest: Vector, a: float) -> Vector:
        u, new = self.gates(weights, interest, h)
        if self.config.augru == "paper":  # eq. 11 and 12
            u = a * u
            return (1.0 - u) * h + u * new
        keep = 1.0 - u  # the official code's update gate
        keep = (1.0 - a) * keep
        return keep * h + (1.0 - keep) * new
