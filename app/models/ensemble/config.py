"""The architecture of an ensemble as its manifest states it: members with their weights."""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig

SingleArchitecture = DienConfig | DinConfig | DsinConfig


class EnsembleMember(BaseModel):
    """A model that is no ensemble itself, and how much its opinion counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(gt=0, le=1, allow_inf_nan=False)
    architecture: Annotated[SingleArchitecture, Field(discriminator="name")]


class EnsembleConfig(BaseModel):
    """Weights sum to one: what a member says moves the score by its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["ensemble"] = "ensemble"
    members: tuple[EnsembleMember, ...] = Field(min_length=2, max_length=64)

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        total = sum(member.weight for member in self.members)
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"the members' weights sum to {total:g}, not to 1")
        return self
