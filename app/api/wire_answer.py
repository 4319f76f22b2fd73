"""The answer of `POST /v1/rank`."""

from msgspec.json import Encoder
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


def answer_json(ranking: Ranking, request_id: str) -> bytes:
    """In the shape of RankAnswer; to validate our own numbers would cost more than to make them."""
    return _encode(
        {
            "request_id": request_id,
            "model": {"name": ranking.model, "version": ranking.version},
            "user": {"behaviors": ranking.behaviors, "unknown_items": ranking.unknown_items},
            "degraded": ranking.degraded,
            "ranked": ranking.ranked,
        }
    )


_encode = Encoder().encode  # knows how to render what is ranked
