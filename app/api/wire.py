"""The body of `POST /v1/rank`: every field is bounded, so that no input is too much."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.api.wire_fields import (
    FIELD_RULE,
    MAX_FIELDS,
    MAX_SPREAD_FIELDS,
    MAX_TEXT_CHARS,
    Fields,
    UncheckedValue,
    WireFields,
    is_field_value,
    names_given_twice,
    names_of,
    spread,
    spread_columns,
    spread_names_of,
)
from app.core.keys import key_of
from app.core.request import (
    BehaviorSequence,
    Candidates,
    FieldValue,
    RankBy,
    RankRequest,
)
from app.errors import FieldError, InvalidRequest

MAX_CANDIDATES = 1000
MAX_BID = 1e9
MAX_INLINE_BEHAVIORS = 1000
MAX_EXPLANATIONS = 10_000  # ads x behaviors: they are named and rendered on the event loop
MAX_REPORTED_ERRORS = 20
MAX_REFERENCE_CHARS = 129  # NAME@VERSION, of 64 each
MAX_FIELD_NAME_CHARS = 200  # a name may be the client's own, and as long as the body

Id = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
Reference = Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE_CHARS)]
Bid = Annotated[float, Field(ge=0, le=MAX_BID, allow_inf_nan=False)]


class WireCandidate(BaseModel):
    """An ad to score. Further keys are candidate fields; a model reads those that it knows.

    A list of numbers is one field for each: `score: [1.2, 0.5]` is `score_0` and `score_1`.
    """

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, UncheckedValue]

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


class RankOutline(BaseModel):
    """A body whose candidates are still to be checked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: Id
    candidates: list[Any] = Field(min_length=1, max_length=MAX_CANDIDATES)
    context: Fields = Field(
        default_factory=dict, description="of the moment; lists as in a candidate"
    )
    profile: Fields | None = Field(
        default=None,
        description="of the user, lists as in a candidate; replaces the stored profile",
    )
    behaviors: list[WireBehavior] | None = Field(
        default=None,
        max_length=MAX_INLINE_BEHAVIORS,
        description="oldest first; replaces the stored history",
    )
    top_k: int | None = Field(default=None, ge=1)
    rank_by: RankBy = "ctr"
    explain: int = Field(default=0, ge=0, le=1000, description="attended behaviors per ad")
    deadline_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    model: Reference | None = Field(
        default=None, description="NAME, or NAME@VERSION or NAME@LABEL of a version that is loaded"
    )

    def errors_beside_candidates(self) -> Iterator[FieldError]:
        """What several of the other fields together get wrong."""
        ads = min(len(self.candidates), self.top_k or MAX_CANDIDATES)
        if ads * self.explain > MAX_EXPLANATIONS:
            yield FieldError(
                "explain", f"times {ads} ranked ads is more than {MAX_EXPLANATIONS}: use top_k"
            )
        for place, fields in (("context", self.context), ("profile", self.profile)):
            if not fields:
                continue
            for _, name in names_given_twice([fields], spread_names_of([fields])):
                yield _given_twice(f"{place}.{name}")

    def request_for(self, candidates: Candidates) -> RankRequest:
        """Of fields without errors."""
        behaviors, raw_ids = _to_behaviors(self.behaviors)
        return RankRequest(
            user_id=self.user_id,
            candidates=candidates,
            behaviors=behaviors,
            profile=None if self.profile is None else spread(self.profile),
            context=spread(self.context),
            raw_ids=raw_ids,
            top_k=self.top_k,
            rank_by=self.rank_by,
            explain=self.explain,
            deadline_ms=self.deadline_ms,
            model=self.model,
        )


class RankBody(RankOutline):
    """Candidate ads for one user."""

    candidates: list[WireCandidate] = Field(min_length=1, max_length=MAX_CANDIDATES)

    def to_request(self) -> RankRequest:
        """Raises InvalidRequest for what only several fields together can get wrong."""
        errors = list(islice(self._errors(), MAX_REPORTED_ERRORS))
        if errors:
            raise InvalidRequest(errors)
        return self.request_for(_to_candidates(self.candidates))

    def _errors(self) -> Iterator[FieldError]:
        yield from self._duplicate_ads()
        yield from self._missing_bids()
        yield from self._too_many_fields()
        yield from self._wrong_fields()
        yield from self._misfit_lists()
        yield from self.errors_beside_candidates()

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

    def _too_many_fields(self) -> Iterator[FieldError]:
        if len(names_of(_further_fields(self.candidates))) > MAX_FIELDS:
            yield FieldError("candidates", f"have more than {MAX_FIELDS} further fields")

    def _wrong_fields(self) -> Iterator[FieldError]:
        for index, candidate in enumerate(self.candidates):
            for name, value in candidate.__pydantic_extra__.items():
                if not is_field_value(value):
                    yield FieldError(
                        f"candidates.{index}.{name}"[:MAX_FIELD_NAME_CHARS], FIELD_RULE
                    )

    def _misfit_lists(self) -> Iterator[FieldError]:
        rows = _further_fields(self.candidates)
        spread_names = spread_names_of(rows)
        if len(spread_names) > MAX_SPREAD_FIELDS:
            yield FieldError("candidates", f"have more than {MAX_SPREAD_FIELDS} numbers in lists")
        for index, name in names_given_twice(rows, spread_names):
            yield _given_twice(f"candidates.{index}.{name}")


def _given_twice(field: str) -> FieldError:
    return FieldError(
        field[:MAX_FIELD_NAME_CHARS], "is also the name of a number in a list: rename one of them"
    )


def _further_fields(candidates: Sequence[WireCandidate]) -> list[WireFields]:
    return [candidate.__pydantic_extra__ for candidate in candidates]


def _to_candidates(candidates: Sequence[WireCandidate]) -> Candidates:
    columns: dict[str, Sequence[FieldValue]] = {
        "item_id": [candidate.item_id for candidate in candidates],
        "category_id": [candidate.category_id for candidate in candidates],
    }
    columns |= spread_columns(_further_fields(candidates))
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
