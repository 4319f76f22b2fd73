"""Golden requests: raw inputs with the scores they must give, so that a wrong part is noticed."""

from collections.abc import Callable, Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.batch import Doubles, RaggedBatch, Scores
from app.core.calibration import UNCALIBRATED, Calibration, ctr_of
from app.core.keys import key_of
from app.core.request import BEHAVIOR_FIELDS, BehaviorSequence, Candidates, FieldValue, UserContext
from app.errors import ArtifactRefused
from app.features.encoder import Encoder

TOLERANCE = 1e-5  # largest difference of a probability that another CPU or device may make

Score = Callable[[RaggedBatch], Scores]
UnixSecond = Annotated[int, Field(ge=0, lt=2**32)]


class GoldenRequest(BaseModel):
    """One user with candidates, as raw ids, and the CTRs they must get."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: str
    behaviors: tuple[tuple[str, str, UnixSecond], ...]  # item, category, when; oldest first
    profile: dict[str, FieldValue] = {}
    context: dict[str, FieldValue] = {}
    candidates: dict[str, tuple[FieldValue, ...]]
    ctr: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        lengths = {len(column) for column in self.candidates.values()}
        if len(lengths) != 1 or not set(BEHAVIOR_FIELDS) <= set(self.candidates):
            raise ValueError(f"candidates need columns of one length, {BEHAVIOR_FIELDS} among them")
        return self

    def as_request(self) -> tuple[UserContext, Candidates]:
        behaviors = BehaviorSequence(
            np.array(
                [(key_of(item), key_of(category)) for item, category, _ in self.behaviors],
                np.uint64,
            ).reshape(-1, 2),
            np.array([timestamp for _, _, timestamp in self.behaviors], np.uint32),
        )
        user = UserContext(self.user_id, behaviors, self.profile, self.context)
        count = len(self.candidates["item_id"])
        return user, Candidates([str(i) for i in range(count)], [None] * count, self.candidates)


class GoldenRequests(BaseModel):
    """The content of `golden.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: tuple[GoldenRequest, ...] = Field(min_length=1)
    # Once more beside the manifest's: requests reach only a part of it.
    calibration: Calibration = UNCALIBRATED


def with_scores(
    requests: Sequence[GoldenRequest], encoder: Encoder, score: Score, calibration: Calibration
) -> GoldenRequests:
    """The requests with the CTRs that this model and its calibration give them."""

    def scored(request: GoldenRequest) -> GoldenRequest:
        ctr_C = _ctrs(request, encoder, score, calibration)
        return request.model_copy(update={"ctr": tuple(ctr_C.tolist())})

    return GoldenRequests(requests=tuple(map(scored, requests)), calibration=calibration)


def verify(
    golden: GoldenRequests,
    encoder: Encoder,
    score: Score,
    calibration: Calibration,
    tolerance: float = TOLERANCE,
) -> None:
    """Raises ArtifactRefused when a CTR differs by more, or is not a number."""
    if calibration != golden.calibration:
        raise ArtifactRefused("its calibration is not the one that its golden scores were made by")
    for index, request in enumerate(golden.requests):
        actual = _ctrs(request, encoder, score, calibration)
        expected = np.array(request.ctr)
        if expected.shape != actual.shape:
            raise ArtifactRefused(f"golden request {index} has {len(expected)} scores")
        difference = np.abs(actual - expected).max(initial=0.0)
        if not difference <= tolerance:  # also when it is NaN
            raise ArtifactRefused(
                f"golden request {index} scores differ by {difference:.2g}, "
                f"more than {tolerance:.2g}: weights, vocabulary or code are not those it was "
                "published with"
            )


def largest_difference(
    golden: GoldenRequests, encoder: Encoder, score: Score, calibration: Calibration
) -> float:
    """Of any CTR from the one that it should be; NaN if one is not a number."""
    differences = [
        np.abs(_ctrs(request, encoder, score, calibration) - np.array(request.ctr)).max(initial=0.0)
        for request in golden.requests
    ]
    return float(np.max(differences))


def _ctrs(
    request: GoldenRequest, encoder: Encoder, score: Score, calibration: Calibration
) -> Doubles:
    return ctr_of(score(encoder.encode([request.as_request()]).batch).logits_C, calibration)
