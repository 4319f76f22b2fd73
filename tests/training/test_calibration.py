"""Fits find distortions that are known, keep the order and survive odd samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.calibration import UNCALIBRATED, Isotonic, Platt, Uncalibrated, ctr_of
from app.training.calibration import fit_calibration
from app.training.evaluation import auc, ece, pcoc
from app.training.options import CalibrationKind

# C candidates

KINDS: tuple[CalibrationKind, ...] = ("none", "platt", "isotonic")
FITTED: tuple[CalibrationKind, ...] = ("platt", "isotonic")

every_fitted_kind = pytest.mark.parametrize("kind", FITTED)


class Impressions:
    """With a truth: clicks are drawn from `sigmoid(true_logits_C)`."""

    def __init__(self, rows: int = 60_000, *, seed: int = 0, mean: float = -2.0) -> None:
        rng = np.random.default_rng(seed)
        self.true_logits_C = rng.normal(mean, 1.2, rows)
        self.true_ctr_C = ctr_of(self.true_logits_C, UNCALIBRATED)
        self.labels_C = (rng.random(rows) < self.true_ctr_C).astype(np.float32)


TRUTH = Impressions()
FRESH = Impressions(seed=1)  # to judge on what was not fitted


def as_float32(logits_C: np.ndarray) -> np.ndarray:
    return logits_C.astype(np.float32)


def test_platt_recovers_the_line_that_distorted_the_truth() -> None:
    distorted_C = as_float32((TRUTH.true_logits_C - 0.7) / 1.6)

    fitted = fit_calibration("platt", distorted_C, TRUTH.labels_C, negatives_kept=1.0)

    assert isinstance(fitted, Platt)
    assert fitted.slope == pytest.approx(1.6, abs=0.05)
    assert fitted.offset == pytest.approx(0.7, abs=0.05)


@every_fitted_kind
def test_a_sampled_model_becomes_honest_on_samples_that_were_not_fitted(
    kind: CalibrationKind,
) -> None:
    share = 0.1
    fitted = fit_calibration(
        kind,
        as_float32(TRUTH.true_logits_C * 0.6 - np.log(share)),
        TRUTH.labels_C,
        negatives_kept=share,
    )

    fresh_logits_C = as_float32(FRESH.true_logits_C * 0.6 - np.log(share))
    ctr_C = ctr_of(fresh_logits_C, fitted)

    assert fitted.negatives_kept == share
    assert pcoc(ctr_C, FRESH.labels_C) == pytest.approx(1, abs=0.02)
    assert ece(ctr_C, FRESH.true_ctr_C) < 0.003
    assert ece(ctr_of(fresh_logits_C, UNCALIBRATED), FRESH.true_ctr_C) > 0.2


def test_isotonic_follows_a_curve_that_no_line_can() -> None:
    """Very flat on the left, steep on the right."""

    def distort(logits_C: np.ndarray) -> np.ndarray:
        return as_float32(np.log1p(np.exp(2 * (logits_C + 2))))

    curves = {
        kind: fit_calibration(
            kind, distort(TRUTH.true_logits_C), TRUTH.labels_C, negatives_kept=1.0
        )
        for kind in FITTED
    }

    errors = {
        kind: np.abs(ctr_of(distort(FRESH.true_logits_C), curve) - FRESH.true_ctr_C).mean()
        for kind, curve in curves.items()
    }
    assert errors["isotonic"] < 0.006
    assert errors["isotonic"] < errors["platt"] / 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_auc_stays_what_it_is(kind: CalibrationKind) -> None:
    logits_C = as_float32(TRUTH.true_logits_C)

    fitted = fit_calibration(kind, logits_C, TRUTH.labels_C, negatives_kept=0.5)

    ctr_C = ctr_of(logits_C, fitted)
    assert auc(ctr_C, TRUTH.labels_C) == auc(logits_C, TRUTH.labels_C)
    assert len(np.unique(ctr_C)) == len(np.unique(logits_C))


def test_without_fitting_only_the_share_of_negatives_is_kept() -> None:
    logits_C = as_float32(TRUTH.true_logits_C)

    fitted = fit_calibration("none", logits_C, TRUTH.labels_C, negatives_kept=0.25)

    assert fitted == Uncalibrated(negatives_kept=0.25)


@every_fitted_kind
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_samples_with_both_labels_can_be_fitted(
    kind: CalibrationKind, data: st.DataObject
) -> None:
    """Few, tied, separable, upside down, far out."""
    few_logits = st.sampled_from([-80.0, -3.0, -0.5, 0.0, 0.25, 2.0, 90.0])
    rows = data.draw(st.lists(st.tuples(few_logits, st.booleans()), min_size=2, max_size=60))
    logits_C = np.array([logit for logit, _ in rows], np.float32)
    labels_C = np.array([label for _, label in rows], np.float32)
    labels_C[:2] = 0, 1

    ctr_C = ctr_of(logits_C, fit_calibration(kind, logits_C, labels_C, negatives_kept=0.1))

    assert ((ctr_C > 0) & (ctr_C < 1)).all()
    by_logit = np.argsort(logits_C)
    assert (np.diff(ctr_C[by_logit])[np.diff(logits_C[by_logit]) > 0] > 0).all()


@every_fitted_kind
def test_a_model_that_is_worse_than_chance_says_little_more_than_the_mean(
    kind: CalibrationKind,
) -> None:
    upside_down_C = as_float32(-TRUTH.true_logits_C)

    fitted = fit_calibration(kind, upside_down_C, TRUTH.labels_C, negatives_kept=1.0)

    ctr_C = ctr_of(upside_down_C, fitted)
    assert ctr_C == pytest.approx(TRUTH.labels_C.mean(), abs=0.01)
    assert auc(ctr_C, TRUTH.labels_C) == auc(upside_down_C, TRUTH.labels_C)


def test_beyond_what_was_observed_isotonic_promises_little_more() -> None:
    logits_C = as_float32(TRUTH.true_logits_C)
    fitted = fit_calibration("isotonic", logits_C, TRUTH.labels_C, negatives_kept=1.0)

    ctr_C = ctr_of(np.array([logits_C.max(), 30.0]), fitted)

    assert isinstance(fitted, Isotonic)
    assert ctr_C[0] < ctr_C[1] < ctr_C[0] + 0.1
