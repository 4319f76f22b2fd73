"""From logits to the CTRs that are served: sampled negatives corrected for, then calibrated."""

import math
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.batch import Doubles, Floats

# C candidates, K knots

LARGEST_LOGIT = 1e6
MAX_KNOTS = 1000
MIN_SLOPE = 1e-3  # logits that differ by 1e-6 stay apart in double precision

Logit = Annotated[float, Field(ge=-LARGEST_LOGIT, le=LARGEST_LOGIT, allow_inf_nan=False)]


class _Correction(BaseModel):
    """Negatives that training did not see: q = p / (p + (1 - p) / w), in log-odds + ln w.

    He et al. 2014, "Practical lessons from predicting clicks on ads at Facebook", section 6.3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    negatives_kept: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)  # w

    def corrected(self, logits_C: Floats | Doubles) -> Doubles:
        return logits_C.astype(np.float64) + math.log(self.negatives_kept)


class Uncalibrated(_Correction):
    """The corrected logit is taken at its word."""

    kind: Literal["none"] = "none"

    def calibrated(self, corrected_C: Doubles) -> Doubles:
        return corrected_C


class Platt(_Correction):
    """slope · logit + offset (Platt 1999), with a slope that keeps the order."""

    kind: Literal["platt"] = "platt"
    slope: float = Field(ge=MIN_SLOPE, le=1 / MIN_SLOPE, allow_inf_nan=False)
    offset: Logit

    def calibrated(self, corrected_C: Doubles) -> Doubles:
        return self.slope * corrected_C + self.offset


class Isotonic(_Correction):
    """Straight lines from knot to knot; the outer two run on. They all rise: no ties are made."""

    kind: Literal["isotonic"] = "isotonic"
    knots: tuple[tuple[Logit, Logit], ...] = Field(  # corrected and calibrated logits
        min_length=2, max_length=MAX_KNOTS
    )

    @model_validator(mode="after")
    def _check_that_it_rises(self) -> Self:
        for (left, low), (right, high) in pairwise(self.knots):
            if not (left < right and MIN_SLOPE <= (high - low) / (right - left) < math.inf):
                raise ValueError(
                    f"knots must rise by at least {MIN_SLOPE:g} per logit: "
                    f"({left:g}, {low:g}) to ({right:g}, {high:g}) does not"
                )
        return self

    @cached_property
    def _lines(self) -> tuple[Doubles, Doubles, Doubles, Doubles]:
        """Of each line where it begins (logit, value), how it rises and what it stays below."""
        logits_K, values_K = np.array(self.knots).T
        slopes = np.diff(values_K) / np.diff(logits_K)
        return logits_K[:-1], values_K[:-1], slopes, np.append(values_K[1:-1], np.inf)

    def calibrated(self, corrected_C: Doubles) -> Doubles:
        begins, values, slopes, ceilings = self._lines
        line_C = np.searchsorted(begins[1:], corrected_C, side="right")
        risen_C = values[line_C] + slopes[line_C] * (corrected_C - begins[line_C])
        # Rounding must not lift the end of a line above the beginning of the next.
        calibrated_C: Doubles = np.minimum(risen_C, ceilings[line_C])
        return calibrated_C


UNCALIBRATED = Uncalibrated()
Calibration = Annotated[Uncalibrated | Platt | Isotonic, Field(discriminator="kind")]


def ctr_of(logits_C: Floats | Doubles, calibration: Calibration) -> Doubles:
    """The probability of a click, in double precision so that extremes keep their order.

    A larger logit never has a smaller CTR; one that is larger by 1e-6 has a larger one, wherever
    doubles tell the two probabilities apart. No other way leads from a logit to a served CTR.
    """
    # Each step in the place of the one before: the array is nobody else's.
    calibrated_C = calibration.calibrated(calibration.corrected(logits_C))
    np.negative(calibrated_C, out=calibrated_C)
    with np.errstate(over="ignore"):  # exp(710) is infinite, and its probability is 0
        np.exp(calibrated_C, out=calibrated_C)
    calibrated_C += 1.0
    return np.reciprocal(calibrated_C, out=calibrated_C)
