"""From logit to CTR: the formulas of the papers, and an order that no calibration may change."""

import math
from bisect import bisect_right
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter, ValidationError

from app.core.calibration import (
    MAX_KNOTS,
    MIN_SLOPE,
    UNCALIBRATED,
    Calibration,
    Isotonic,
    Platt,
    Uncalibrated,
    ctr_of,
)

TOLD_APART = 1e-15  # doubles below 1 lie 1e-16 apart, and exp is rounded too

shares = st.floats(1e-6, 1.0)
logits = hnp.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32, allow_nan=False))
uncalibrated = st.builds(Uncalibrated, negatives_kept=shares)
platt = st.builds(
    Platt, negatives_kept=shares, slope=st.floats(MIN_SLOPE, 10), offset=st.floats(-20, 20)
)


@st.composite
def isotonic(draw: st.DrawFn) -> Isotonic:
    knots = [(draw(st.floats(-20, 5)), draw(st.floats(-20, 5)))]
    lines = st.tuples(st.floats(1e-3, 5), st.floats(2 * MIN_SLOPE, 10))
    for width, slope in draw(st.lists(lines, min_size=1, max_size=12)):
        knots.append((knots[-1][0] + width, knots[-1][1] + slope * width))
    return Isotonic(negatives_kept=draw(shares), knots=tuple(knots))


calibrations = st.one_of(uncalibrated, platt, isotonic())


def naive_logit(logit: float, calibration: Calibration) -> float:
    """The calibrated logit by the definitions, in plain Python."""
    corrected = logit + math.log(calibration.negatives_kept)
    if isinstance(calibration, Uncalibrated):
        return corrected
    if isinstance(calibration, Platt):
        return calibration.slope * corrected + calibration.offset
    lines = list(pairwise(calibration.knots))
    line = bisect_right([left for (left, _), _ in lines], corrected) - 1
    (left, low), (right, high) = lines[max(line, 0)]
    return low + (high - low) / (right - left) * (corrected - left)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0


@given(logits, calibrations)
def test_a_ctr_is_a_probability_for_every_logit(logits_C, calibration):
    ctr_C = ctr_of(logits_C, calibration)

    assert ctr_C.dtype == np.float64
    assert ((ctr_C >= 0) & (ctr_C <= 1)).all()


@given(logits, calibrations)
def test_a_larger_logit_never_has_a_smaller_ctr(logits_C, calibration):
    assert (np.diff(ctr_of(np.sort(logits_C), calibration)) >= 0).all()


@given(st.floats(-30, 30), st.floats(1e-6, 1), calibrations)
def test_logits_apart_have_ctrs_apart_in_the_same_order(logit, gap, calibration):
    low, high = (naive_logit(one, calibration) for one in (logit, logit + gap))
    assume((high - low) * sigmoid(high) * sigmoid(-high) > TOLD_APART * sigmoid(high))

    smaller, larger = ctr_of(np.array([logit, logit + gap]), calibration)

    assert 0 < smaller < larger < 1


@pytest.mark.parametrize(
    "calibration",
    [
        UNCALIBRATED,
        Platt(slope=0.7, offset=-1.5),
        Isotonic(knots=((-2, -2), (-1, -2 + 2 * MIN_SLOPE), (1, 0), (2, 0.1))),
    ],
    ids=lambda calibration: calibration.kind,
)
def test_no_two_of_a_million_neighbors_tie(calibration):
    logits_C = np.linspace(-30, 15, 1_000_000)

    ctr_C = ctr_of(logits_C, calibration)

    assert (np.diff(ctr_C) > 0).all()
    assert 0 < ctr_C[0] < ctr_C[-1] < 1


@given(st.floats(-30, 30), calibrations)
def test_a_ctr_follows_from_the_definitions(logit, calibration):
    expected = sigmoid(naive_logit(logit, calibration))

    assert ctr_of(np.array([logit]), calibration)[0] == pytest.approx(expected, rel=1e-9)


@given(st.floats(1e-6, 1 - 1e-6), shares)
def test_the_correction_is_that_of_probabilities(ctr, share):
    logit = math.log(ctr / (1 - ctr))

    corrected = ctr_of(np.array([logit]), Uncalibrated(negatives_kept=share))[0]

    assert corrected == pytest.approx(ctr / (ctr + (1 - ctr) / share), rel=1e-9)


@given(logits)
def test_without_calibration_and_sampling_the_model_is_taken_at_its_word(logits_C):
    with np.errstate(over="ignore"):
        expected_C = 1 / (1 + np.exp(-logits_C.astype(np.float64)))

    assert ctr_of(logits_C, UNCALIBRATED).tolist() == expected_C.tolist()


@pytest.mark.parametrize(
    ("logit", "ctr"),
    [
        (0.0, 0.5),
        (math.log(3), 0.75),
        (-50.0, math.exp(-50.0)),
        (-700.0, math.exp(-700.0)),
        (-1000.0, 0.0),
        (1000.0, 1.0),
        (-3e38, 0.0),
        (math.inf, 1.0),
    ],
)
def test_an_uncalibrated_ctr_is_the_logistic_of_its_logit(logit, ctr):
    ctr_C = ctr_of(np.array([logit], np.float32), UNCALIBRATED)

    assert ctr_C.tolist() == pytest.approx([ctr], rel=1e-6)


def test_rare_clicks_keep_their_order_where_single_precision_would_not():
    ctr_C = ctr_of(np.array([-120.0, -110.0, -100.0], np.float32), UNCALIBRATED)

    assert 0 < ctr_C[0] < ctr_C[1] < ctr_C[2] < np.finfo(np.float32).tiny


@given(calibrations)
def test_what_is_no_number_stays_none(calibration):
    assert np.isnan(ctr_of(np.array([np.nan], np.float32), calibration)).all()


@given(calibrations)
def test_a_calibration_survives_json(calibration):
    adapter = TypeAdapter(Calibration)

    restored = adapter.validate_json(adapter.dump_json(calibration))

    assert restored == calibration


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "temperature", "slope": 1},
        {"slope": 1, "offset": 0},
        {"kind": "none", "negatives_kept": 0},
        {"kind": "none", "negatives_kept": 1.1},
        {"kind": "none", "negatives_kept": math.nan},
        {"kind": "none", "slope": 1},
        {"kind": "platt", "slope": 0, "offset": 0},
        {"kind": "platt", "slope": -1, "offset": 0},
        {"kind": "platt", "slope": math.nan, "offset": 0},
        {"kind": "platt", "slope": 1e9, "offset": 0},
        {"kind": "platt", "slope": 1, "offset": math.inf},
        {"kind": "isotonic", "knots": [[0, 0]]},
        {"kind": "isotonic", "knots": [[0, 0], [1, 0]]},
        {"kind": "isotonic", "knots": [[0, 0], [1, MIN_SLOPE / 2]]},
        {"kind": "isotonic", "knots": [[0, 0], [1, 1], [1, 2]]},
        {"kind": "isotonic", "knots": [[0, 0], [5e-324, 1e6]]},
        {"kind": "isotonic", "knots": [[1, 1], [0, 0]]},
        {"kind": "isotonic", "knots": [[0, 0], [1, math.nan]]},
        {"kind": "isotonic", "knots": [[-math.inf, 0], [1, 1]]},
        {"kind": "isotonic", "knots": [[0, 0, 0], [1, 1, 1]]},
        {"kind": "isotonic", "knots": [[n, n] for n in range(MAX_KNOTS + 1)]},
    ],
    ids=lambda content: str(content)[:60],
)
def test_a_calibration_that_could_change_the_order_is_refused(content):
    with pytest.raises(ValidationError):
        TypeAdapter(Calibration).validate_python(content)
