"""The architecture of a DIEN as its manifest states it: nothing is left to convention."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.models.layers.activation import ActivationName
from app.models.layers.attention import AttentionName
from app.models.layers.recurrence import AugruForm, Evolution, ResetGate

Units = Annotated[int, Field(ge=1, le=8192)]


class DienConfig(BaseModel):
    """Defaults follow the paper's recurrence and the official code's attention and MLP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["dien"] = "dien"
    hidden_size: int = Field(default=36, ge=1, le=1024)
    evolution: Evolution = "augru"
    augru: AugruForm = "paper"
    reset_gate: ResetGate = "after"
    attention: AttentionName = "mlp"
    attention_units: tuple[Units, ...] = Field(default=(80, 40), min_length=1)
    attention_activation: ActivationName = "sigmoid"
    attention_softmax: bool = True
    query_projection: bool = True  # PReLU(W e + b) to the hidden size, as the official code
    sum_pooling: bool = True  # add the behaviors' sum and its product with the candidate
    mlp_units: tuple[Units, ...] = (200, 80)
    mlp_activation: ActivationName = "dice"
    auxiliary_units: tuple[Units, ...] = (100, 50)
    embedding_init_std: float = Field(default=0.05, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _agru_needs_softmax(self) -> Self:
        if not self.attention_softmax and self.evolution == "agru":
            raise ValueError("agru needs attention_softmax: its attention is a gate in 0..1")
        return self
