"""Whom a light net listens to: a booster that trains beside it, or a teacher that is done."""

from dataclasses import dataclass

from app.models.factory import Architecture, Model
from app.training.options import HINT_WEIGHT


@dataclass(frozen=True, slots=True)
class Booster:
    """Trains with the light net, on the same embeddings, and is then forgotten."""

    architecture: Architecture
    hint_weight: float = HINT_WEIGHT


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained model that reads the same features; it does not change."""

    model: Model
    hint_weight: float = HINT_WEIGHT


Guide = Booster | Teacher
