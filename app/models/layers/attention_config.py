"""How a model attends to behaviors, as its manifest states it: shared by all architectures."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.models.layers.activation import ActivationName

AttentionName = Literal["mlp", "bilinear", "dot", "multi_head"]
Units = Annotated[int, Field(ge=1, le=8192)]
Heads = Annotated[int, Field(ge=1, le=64)]


class AttentionConfig(BaseModel):
    """What compares a candidate with a behavior, and what a behavior knows before it does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attention: AttentionName = "mlp"
    attention_units: tuple[Units, ...] = Field(default=(80, 40), min_length=1)  # of mlp
    attention_activation: ActivationName = "sigmoid"  # of mlp
    attention_heads: Heads = 4  # of multi_head
    attention_softmax: bool = True
    query_projection: bool = True  # PReLU(W e + b) to the keys' width, as the official DIEN code
    self_attention_heads: int = Field(default=0, ge=0, le=64)  # over the behaviors; 0 is without
    position_aware: bool = False  # keys know how many behaviors came after them
