"""One scored request as a line of JSON: what the model was given, and what it said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field

from app.core.batch import Floats
from app.core.request import (
    BEHAVIOR_FIELDS,
    BehaviorSequence,
    Candidates,
    FieldValue,
    UserContext,
)
from app.core.schema import FeatureSchema

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Origin:
    """What scored it, and by what features."""

    model: str
    version: str
    runtime: str
    runtime_detail: str | None
    schema: FeatureSchema


class RecordedRequest(BaseModel):
    """Floats are written so that they are read as the same bits; NaN becomes null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    recorded_at: str
    model: str
    version: str
    runtime: str
    runtime_detail: str | None
    user: str  # a keyed hash
    user_row: int | None  # of the version's table of users, where it has one
    behavior_keys: list[list[int]]  # xxh3-64 of item and category, oldest first
    timestamps: list[int]
    profile: dict[str, FieldValue]
    context: dict[str, FieldValue]
    candidates: dict[str, list[FieldValue]]
    logits: list[float | None] = Field(min_length=1)

    def to_line(self) -> bytes:
        """Raises TypeError for what JSON has no number for."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_APPEND_NEWLINE)

    def job(self) -> tuple[UserContext, Candidates]:
        """What was scored."""
        count = len(self.logits)
        keys_TF = np.array(self.behavior_keys, np.uint64).reshape(-1, len(BEHAVIOR_FIELDS))
        behaviors = BehaviorSequence(keys_TF, np.array(self.timestamps, np.uint32))
        ad_ids = [str(number) for number in range(count)]
        return (
            UserContext(self.user, behaviors, self.profile, self.context),
            Candidates(ad_ids, [None] * count, self.candidates),
        )

    def scores(self) -> Floats:
        """[C] the logits, bit for bit."""
        return np.array([np.nan if one is None else one for one in self.logits], np.float32)


def recorded(  # noqa: PLR0913 - all that there is to know of a request
    origin: Origin,
    user: UserContext,
    candidates: Candidates,
    logits_C: Floats,
    *,
    recorded_at: str,
    pseudonym: str,
    user_row: int | None,
) -> RecordedRequest:
    """With no other features than the version reads."""
    schema = origin.schema
    history = user.behaviors.newest(schema.max_behaviors)
    side = {field.name for field in schema.side_fields}
    own = side | {field.name for field in schema.behavior_fields}
    return RecordedRequest.model_construct(
        recorded_at=recorded_at,
        model=origin.model,
        version=origin.version,
        runtime=origin.runtime,
        runtime_detail=origin.runtime_detail,
        user=pseudonym,
        user_row=user_row,
        behavior_keys=history.keys_TF.tolist(),
        timestamps=history.timestamps_T.tolist(),
        profile=_only(user.profile, side),
        context=_only(user.context, side),
        candidates={name: list(column) for name, column in _only(candidates.fields, own).items()},
        logits=logits_C.tolist(),
    )


def _only(fields: Mapping[str, Value], names: Sequence[str] | set[str]) -> dict[str, Value]:
    return {name: value for name, value in fields.items() if name in names}
