"""What the naive models share: embeddings, groups of fields and the last MLP, one pair at a time.

The oracles are written from the papers' equations; of the real models they know nothing but the
names of the weights and the order of the MLP's inputs.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor

from app.core.schema import FeatureSchema
from app.models.interest_model import InterestConfig
from tests.models.builders import Candidate, ItemRows, User
from tests.models.naive_layers import Vector, Weights, net

Config = TypeVar("Config", bound=InterestConfig)
EmbeddedItem = dict[str, Vector]  # by behavior field


class NaiveModel(ABC, Generic[Config]):
    """Scores one (user, candidate) at a time."""

    def __init__(self, config: Config, schema: FeatureSchema, state: Mapping[str, Tensor]) -> None:
        self.config = config
        self.schema = schema
        self.weights = Weights.of(state)

    @abstractmethod
    def interest(
        self, weights: Weights, behaviors: Sequence[Vector], seconds: Sequence[int], target: Vector
    ) -> tuple[Vector, Vector]:
        """What the MLP gets of one group of fields, and one attention weight per behavior."""

    def score(self, user: User, candidate: Candidate) -> tuple[float, Vector]:
        """The logit, and one attention weight per behavior."""
        behaviors = [self.embed_item(rows) for rows in user.behaviors]
        target = self.embed_item(candidate.item)
        inputs, attentions = [*self.user_side(user), *target.values()], []
        for weights, group in self.groups():
            of_group = [joined(behavior, group) for behavior in behaviors]
            part, attention = self.interest(weights, of_group, user.seconds, joined(target, group))
            inputs.append(part)
            attentions.append(attention)
        x = np.concatenate([*inputs, *self.candidate_side(candidate)])
        return self.mlp(x), np.mean(attentions, axis=0)

    def groups(self) -> list[tuple[Weights, tuple[str, ...]]]:
        return [
            (self.weights.under(f"interests.{index}"), group)
            for index, group in enumerate(self.config.field_groups)
        ]

    def mlp(self, x: Vector) -> float:
        depth, activation = len(self.config.mlp_units), self.config.mlp_activation
        return net(self.weights.under("mlp.layers"), x, depth=depth, activation=activation)

    def embed(self, field: str, row: float) -> Vector:
        return self.weights[f"embedding.tables.{field}.weight"][int(row)]

    def embed_item(self, rows: ItemRows) -> EmbeddedItem:
        item, category = rows
        return {
            "item_id": self.embed("item_id", item),
            "category_id": self.embed("category_id", category),
        }

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


def joined(item: EmbeddedItem, group: Sequence[str]) -> Vector:
    return np.concatenate([item[field] for field in group])


def with_sums(behaviors: Sequence[Vector], target: Vector, interest: Vector) -> Vector:
    """The official code's inputs beside the interest: the behaviors' sum, alone and by target."""
    total = sum(behaviors, np.zeros_like(target))
    return np.concatenate([total, target * total, interest])
