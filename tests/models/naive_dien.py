"""DIEN once more as float64 loops over one candidate at a time: the oracle of the real one.

Written from the paper's equations (arXiv 1809.03672) and the official code's recurrences; of the
real model it knows nothing but the names of its weights and the order of the MLP's inputs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from app.core.schema import FeatureSchema
from app.models.dien.config import DienConfig
from tests.models.builders import Candidate, ItemRows, User

INTEREST = "interests.0"
ATTENTION = f"{INTEREST}.attention"

Vector = NDArray[np.float64]


def sigmoid(x: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-x))


class NaiveDien:
    """Scores one (user, candidate) at a time."""

    def __init__(
        self, config: DienConfig, schema: FeatureSchema, weights: Mapping[str, Tensor]
    ) -> None:
        self.config = config
        self.schema = schema
        self.weights = {name: value.double().numpy() for name, value in weights.items()}

    def score(self, user: User, candidate: Candidate) -> tuple[float, Vector]:
        """The logit, and one attention weight per behavior."""
        behaviors = [self.embed_item(rows) for rows in user.behaviors]
        target = self.embed_item(candidate.item)
        interests = self.gru(f"{INTEREST}.extractor", behaviors)
        if self.config.evolution == "gru":
            interests = self.gru(f"{INTEREST}.evolution", interests)
        attention = self.attend(target, interests)
        inputs = [*self.user_side(user), target]
        if self.config.sum_pooling:
            total = sum(behaviors, np.zeros_like(target))
            inputs += [total, target * total]
        inputs += [self.final_interest(interests, attention), *self.candidate_side(candidate)]
        logit = self.net("mlp.layers", np.concatenate(inputs), self.config.mlp_activation)
        return logit, attention

    def auxiliary_loss(self, users: Sequence[User], sampled: Sequence[Sequence[ItemRows]]) -> float:
        """Eq. 6, averaged over every step of every user that has a next one."""
        terms = []
        for user, negatives in zip(users, sampled, strict=True):
            clicked = [self.embed_item(rows) for rows in user.behaviors]
            interests = self.gru(f"{INTEREST}.extractor", clicked)
            for t in range(len(clicked) - 1):
                p_clicked = self.next_probability(interests[t], clicked[t + 1])
                p_sampled = self.next_probability(interests[t], self.embed_item(negatives[t + 1]))
                terms.append(-np.log(p_clicked) - np.log(1.0 - p_sampled))
        return float(np.mean(terms)) if terms else 0.0

    def next_probability(self, interest: Vector, embedded: Vector) -> Vector:
        pair = np.concatenate([interest, embedded])
        return sigmoid(np.float64(self.net(f"{INTEREST}.auxiliary.net.layers", pair, "sigmoid")))

    def embed(self, field: str, row: float) -> Vector:
        return self.weights[f"embedding.tables.{field}.weight"][int(row)]

    def embed_item(self, rows: ItemRows) -> Vector:
        item, category = rows
        return np.concatenate([self.embed("item_id", item), self.embed("category_id", category)])

    def user_side(self, user: User) -> list[Vector]:
        """The user id, then the categorical fields, then the numbers."""
        own = [field for field in self.schema.side_fields if field.source != "candidate"]
        user_id = ["user_id"] if self.schema.user_id else []
        sparse = user_id + [field.name for field in own if field.kind == "sparse"]
        dense = [user.fields[field.name] for field in own if field.kind == "dense"]
        return [*(self.embed(name, user.fields[name]) for name in sparse), np.array(dense)]

    def candidate_side(self, candidate: Candidate) -> list[Vector]:
        own = [field for field in self.schema.side_fields if field.source == "candidate"]
        sparse = [field.name for field in own if field.kind == "sparse"]
        dense = [candidate.fields[field.name] for field in own if field.kind == "dense"]
        return [*(self.embed(name, candidate.fields[name]) for name in sparse), np.array(dense)]

    def gru(self, layer: str, inputs: Sequence[Vector]) -> list[Vector]:
        """Eq. 2 to 5: every state."""
        h = np.zeros(self.config.hidden_size)
        states = []
        for x in inputs:
            u, new = self.gates(layer, x, h)
            h = (1.0 - u) * h + u * new
            states.append(h)
        return states

    def gates(self, layer: str, x: Vector, h: Vector) -> tuple[Vector, Vector]:
        """The update gate of eq. 2, and the candidate state of eq. 4 or of TensorFlow's GRUCell."""
        W_r, W_u, W_h = np.split(self.weights[f"{layer}.input_weight_GI"], 3)
        U_r, U_u, U_h = np.split(self.weights[f"{layer}.hidden_weight_GH"], 3)
        b_r, b_u, b_h = np.split(self.weights[f"{layer}.input_bias_G"], 3)
        c_r, c_u, c_h = np.split(self.weights[f"{layer}.hidden_bias_G"], 3)
        r = sigmoid(W_r @ x + b_r + U_r @ h + c_r)
        u = sigmoid(W_u @ x + b_u + U_u @ h + c_u)
        if self.config.reset_gate == "after":
            return u, np.tanh(W_h @ x + b_h + r * (U_h @ h + c_h))
        return u, np.tanh(W_h @ x + b_h + U_h @ (r * h) + c_h)

    def final_interest(self, interests: Sequence[Vector], attention: Vector) -> Vector:
        """Section 3.4: the last state of the evolution, or the attention-weighted sum."""
        h = np.zeros(self.config.hidden_size)
        for interest, a in zip(interests, attention, strict=True):
            h = self.evolve_step(h, interest, a)
        return h

    def evolve_step(self, h: Vector, interest: Vector, a: float) -> Vector:
        match self.config.evolution:
            case "gru":
                return h + a * interest
            case "aigru":  # eq. 9
                u, new = self.gates(f"{INTEREST}.evolution", a * interest, h)
                return (1.0 - u) * h + u * new
            case "agru":  # eq. 10
                _, new = self.gates(f"{INTEREST}.evolution", interest, h)
                return (1.0 - a) * h + a * new
            case "augru":
                return self.augru_step(h, interest, a)

    def augru_step(self, h: Vector, interest: Vector, a: float) -> Vector:
        u, new = self.gates(f"{INTEREST}.evolution", interest, h)
        if self.config.augru == "paper":  # eq. 11 and 12
            u = a * u
            return (1.0 - u) * h + u * new
        keep = 1.0 - u  # the official code's update gate
        keep = (1.0 - a) * keep
        return keep * h + (1.0 - keep) * new

    def attend(self, target: Vector, interests: Sequence[Vector]) -> Vector:
        query = self.query(target)
        scores = np.array([self.attention_score(query, h) for h in interests])
        if not self.config.attention_softmax or not interests:
            return scores
        exponentials = np.exp(scores)
        return exponentials / exponentials.sum()

    def query(self, target: Vector) -> Vector:
        if not self.config.query_projection:
            return target
        q = (
            self.weights[f"{ATTENTION}.query.0.weight"] @ target
            + self.weights[f"{ATTENTION}.query.0.bias"]
        )
        return np.where(q > 0, q, self.weights[f"{ATTENTION}.query.1.weight"] * q)

    def attention_score(self, q: Vector, h: Vector) -> float:
        match self.config.attention:
            case "dot":
                return float(h @ q)
            case "bilinear":
                return float(h @ self.weights[f"{ATTENTION}.kind.weight_HQ"] @ q)
            case "mlp":
                x = np.concatenate([q, h, q - h, q * h])
                x = self.weights[f"{ATTENTION}.kind.first.weight"] @ x
                x = x + self.weights[f"{ATTENTION}.kind.first.bias"]
                activation = self.config.attention_activation
                x = self.activate(f"{ATTENTION}.kind.activation", x, activation)
                return self.net(f"{ATTENTION}.kind.rest.layers", x, activation)

    def net(self, layers: str, x: Vector, activation: str) -> float:
        """Linear, activation, ..., Linear to one number."""
        linears = [
            name for name in self.weights if name.startswith(layers) and self.is_linear(name)
        ]
        for depth in range(len(linears)):
            if depth > 0:
                x = self.activate(f"{layers}.{2 * depth - 1}", x, activation)
            weight = self.weights[f"{layers}.{2 * depth}.weight"]
            x = weight @ x + self.weights[f"{layers}.{2 * depth}.bias"]
        return float(x.item())

    def is_linear(self, name: str) -> bool:
        return name.endswith(".weight") and self.weights[name].ndim == 2

    def activate(self, name: str, x: Vector, activation: str) -> Vector:
        match activation:
            case "relu":
                return np.where(x > 0, x, 0.0)
            case "prelu":
                return np.where(x > 0, x, self.weights[f"{name}.weight"] * x)
            case "dice":
                mean = self.weights[f"{name}.statistics.running_mean"]
                variance = self.weights[f"{name}.statistics.running_var"]
                p = sigmoid((x - mean) / np.sqrt(variance + 1e-8))
                return p * x + (1.0 - p) * self.weights[f"{name}.alpha"] * x
            case _:
                return sigmoid(x)
