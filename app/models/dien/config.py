"""The architecture of a DIEN as its manifest states it: nothing is left to convention."""

from typing import Literal

from pydantic import Field

from app.models.interest_model import InterestConfig
from app.models.layers.attention_config import Units
from app.models.layers.recurrence import AugruForm, Evolution
from app.models.layers.reset_gates import ResetGate


class DienConfig(InterestConfig):
    """Defaults follow the paper's recurrence and the official code's attention and MLP."""

    name: Literal["dien"] = "dien"
    hidden_size: int | None = Field(default=36, ge=1, le=1024)  # None: as wide as the embedding
    evolution: Evolution = "augru"
    augru: AugruForm = "paper"
    reset_gate: ResetGate = "after"
    sum_pooling: bool = True  # add the behaviors' sum and its product with the candidate
    auxiliary_units: tuple[Units, ...] = (100, 50)
