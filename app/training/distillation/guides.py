"""Whom a light net listens to: a booster that trains beside it, or a teacher that is done."""

from dataclasses import dataclass

from app.models.factory import Architecture, Model

BESIDE_BOOSTER = 0.03  # as the Rocket Launching authors' code; its logits are noise at first
BESIDE_TEACHER = 0.3


@dataclass(frozen=True, slots=True)
class Booster:
    """Trains with the light net, on the same embeddings, and is then forgotten."""

    architecture: Architecture
    hint_weight: float = BESIDE_BOOSTER


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained model that reads the same features; it does not change."""

    model: Model
    hint_weight: float = BESIDE_TEACHER


Guide = Booster | Teacher
