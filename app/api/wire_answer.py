"""The answer of `POST /v1/rank`."""

from typing import Any

from pydantic import BaseModel, Field

from app.core.request import Degradation, Ranking


class WireModel(BaseModel):
    """Which version answered."""

    name: str
    version: str


class WireUser(BaseModel):
    """What was known: behaviors used, and items of history and candidates the model never saw."""

    behaviors: int
    unknown_items: int


class WireAttention(BaseModel):
    """A behavior with its weight; ids are null where only their hash is known."""

    item_id: str | None
    category_id: str | None
    timestamp: int
    weight: float


class WireRanked(BaseModel):
    """One ad of the answer."""

    ad_id: str
    rank: int
    ctr: float = Field(ge=0, le=1)
    ecpm: float | None
    attention: list[WireAttention]


class RankAnswer(BaseModel):
    """The ranking, best ad first."""

    request_id: str
    model: WireModel
    user: WireUser
    degraded: Degradation | None
    ranked: list[WireRanked]


def to_answer(ranking: Ranking, request_id: str) -> dict[str, Any]:
    """The same shape as RankAnswer, as plain values: validating our own numbers costs more."""
    return {
        "request_id": request_id,
        "model": {"name": ranking.model, "version": ranking.version},
        "user": {"behaviors": ranking.behaviors, "unknown_items": ranking.unknown_items},
        "degraded": ranking.degraded,
        "ranked": ranking.ranked,  # orjson renders what is in them itself
    }
