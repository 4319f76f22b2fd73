"""The bodies of `POST /v1/rank`: every field is bounded, so that no input is too much."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core import core_schema

from app.core.keys import key_of
from app.core.request import (
    BehaviorSequence,
    Candidates,
    Degradation,
    FieldValue,
    RankBy,
    Ranking,
    RankRequest,
)
from app.errors import FieldError, InvalidRequest

MAX_CANDIDATES = 1000
MAX_INLINE_BEHAVIORS = 1000
MAX_FIELDS = 64
MAX_EXPLANATIONS = 10_000  # ads x behaviors: they are named and rendered on the event loop
MAX_TEXT_CHARS = 256
MAX_REPORTED_ERRORS = 20
MAX_FIELD_NAME_CHARS = 200  # a name may be the client's own, and as long as the body
MAX_NUMBER = sys.float_info.max
SCALAR_RULE = f"Should be text up to {MAX_TEXT_CHARS} characters, a finite number or null"

Id = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Bid = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
# One union with one message, where pydantic would report each of its members.
_scalar_schema = core_schema.union_schema(
    [
        core_schema.str_schema(max_length=MAX_TEXT_CHARS, strict=True),
        core_schema.float_schema(allow_inf_nan=False, strict=True),
        core_schema.none_schema(),
    ],
    custom_error_type="scalar",
    custom_error_message=SCALAR_RULE,
)
Scalar = Annotated[str | float | None, GetPydanticSchema(lambda _, __: _scalar_schema)]
# A scalar too, but checked once there are not too many: a body has room for 200,000 wrong ones.
UncheckedScalar = Annotated[
    Any, GetPydanticSchema(get_pydantic_json_schema=lambda _, schema: schema(_scalar_schema))
]
Fields = Annotated[dict[Name, Scalar], Field(max_length=MAX_FIELDS)]


class WireCandidate(BaseModel):
    """An ad to score. Further keys are candidate fields; a model reads those that it knows."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, UncheckedScalar]

    ad_id: Id
    item_id: Id | None = None
    category_id: Id | None = None
    bid: Bid | None = None


class WireBehavior(BaseModel):
    """Something that the user did."""

    model_config = ConfigDict(extra="forbid", strict=True)

    item_id: Id
    category_id: Id
    timestamp: int = Field(ge=0, lt=2**32, description="unix seconds")


class RankBody(BaseModel):
    """Candidate ads for one user."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: Id
    candidates: list[WireCandidate] = Field(min_length=1, max_length=MAX_CANDIDATES)
    context: Fields = {}
    profile: Fields | None = Field(default=None, description="replaces the stored profile")
    behaviors: list[WireBehavior] | None = Field(
        default=None,
        max_length=MAX_INLINE_BEHAVIORS,
        description="oldest first; replaces the stored history",
    )
    top_k: int | None = Field(default=None, ge=1)
    rank_by: RankBy = "ctr"
    explain: int = Field(default=0, ge=0, le=1000, description="attended behaviors per ad")
    deadline_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    model: Name | None = None

    def to_request(self) -> RankRequest:
        """Raises InvalidRequest for what only several fields together can get wrong."""
        errors = list(islice(self._errors(), MAX_REPORTED_ERRORS))
        if errors:
            raise InvalidRequest(errors)
        behaviors, raw_ids = _to_behaviors(self.behaviors)
        return RankRequest(
            user_id=self.user_id,
            candidates=_to_candidates(self.candidates),
            behaviors=behaviors,
            profile=self.profile,
            context=self.context,
            raw_ids=raw_ids,
            top_k=self.top_k,
            rank_by=self.rank_by,
            explain=self.explain,
            model=self.model,
        )

    def _errors(self) -> Iterator[FieldError]:
        yield from self._duplicate_ads()
        yield from self._missing_bids()
        yield from self._too_many_explanations()
        yield from self._too_many_fields()
        yield from self._wrong_fields()

    def _duplicate_ads(self) -> Iterator[FieldError]:
        first: dict[str, int] = {}
        for index, candidate in enumerate(self.candidates):
            earlier = first.setdefault(candidate.ad_id, index)
            if earlier != index:
                yield FieldError(
                    f"candidates.{index}.ad_id", f"is the same as candidates.{earlier}.ad_id"
                )

    def _missing_bids(self) -> Iterator[FieldError]:
        if self.rank_by == "ecpm":
            for index, candidate in enumerate(self.candidates):
                if candidate.bid is None:
                    yield FieldError(f"candidates.{index}.bid", "is needed to rank by ecpm")

    def _too_many_explanations(self) -> Iterator[FieldError]:
        ads = min(len(self.candidates), self.top_k or MAX_CANDIDATES)
        if ads * self.explain > MAX_EXPLANATIONS:
            yield FieldError(
                "explain", f"times {ads} ranked ads is more than {MAX_EXPLANATIONS}: use top_k"
            )

    def _too_many_fields(self) -> Iterator[FieldError]:
        if len(_further_names(self.candidates)) > MAX_FIELDS:
            yield FieldError("candidates", f"have more than {MAX_FIELDS} further fields")

    def _wrong_fields(self) -> Iterator[FieldError]:
        for index, candidate in enumerate(self.candidates):
            for name, value in candidate.__pydantic_extra__.items():
                if not _is_scalar(value):
                    yield FieldError(
                        f"candidates.{index}.{name}"[:MAX_FIELD_NAME_CHARS], SCALAR_RULE
                    )


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT_CHARS
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return -MAX_NUMBER <= value <= MAX_NUMBER  # not infinite, not NaN, not too long an integer
    return value is None


def _further_names(candidates: Sequence[WireCandidate]) -> set[str]:
    return set().union(*(candidate.__pydantic_extra__ for candidate in candidates))


def _to_candidates(candidates: Sequence[WireCandidate]) -> Candidates:
    columns: dict[str, list[FieldValue]] = {
        "item_id": [candidate.item_id for candidate in candidates],
        "category_id": [candidate.category_id for candidate in candidates],
    }
    for name in _further_names(candidates):
        columns[name] = [candidate.__pydantic_extra__.get(name) for candidate in candidates]
    return Candidates(
        ad_ids=[candidate.ad_id for candidate in candidates],
        bids=[candidate.bid for candidate in candidates],
        fields=columns,
    )


def _to_behaviors(
    behaviors: Sequence[WireBehavior] | None,
) -> tuple[BehaviorSequence | None, dict[int, str]]:
    if behaviors is None:
        return None, {}
    keys = [(key_of(behavior.item_id), key_of(behavior.category_id)) for behavior in behaviors]
    raw_ids = {
        key: raw_id
        for behavior, pair in zip(behaviors, keys, strict=True)
        for key, raw_id in zip(pair, (behavior.item_id, behavior.category_id), strict=True)
    }
    sequence = BehaviorSequence(
        np.array(keys, np.uint64).reshape(-1, 2),
        np.array([behavior.timestamp for behavior in behaviors], np.uint32),
    )
    return sequence, raw_ids


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
        "ranked": ranking.ranked,  # orjson renders the dataclasses themselves
    }
