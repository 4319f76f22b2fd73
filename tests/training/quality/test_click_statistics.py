"""Metrics of users who count several times are the plain ones of rows repeated as often."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from app.training.evaluation import auc, ece, evaluate, gauc, pcoc
from app.training.quality.click_statistics import CLICK_METRICS, click_statistics
from app.training.quality.weighted_auc import WeightedAuc
from tests.training.quality.scored import repeated, scored, scored_rows, times_of

BINS = 4


def values(rows, times_RU):
    statistics = click_statistics(rows, bins=BINS)
    return {name: statistic(times_RU) for name, statistic in statistics.items()}


def once(rows):
    return {name: float(value[0]) for name, value in values(rows, np.ones((1, rows.users))).items()}


@settings(max_examples=30)  # sklearn checks its input at length
@given(scored_rows(), st.integers(0, 99))
def test_auc_is_that_of_sklearn_with_the_times_as_weights(rows, seed):
    times_RU = times_of(rows, seed)

    auc_R = WeightedAuc(rows)(times_RU)

    for times_U, found in zip(times_RU, auc_R, strict=True):
        weights_C = times_U[rows.user_C]
        if len(set(rows.clicked_C[weights_C > 0])) == 2:
            expected = roc_auc_score(rows.clicked_C, rows.logits_C, sample_weight=weights_C)
            assert found == pytest.approx(expected)
        else:
            assert np.isnan(found)


@settings(max_examples=30)  # sklearn checks its input at length
@given(scored_rows(), st.integers(0, 99))
def test_the_others_are_those_of_repeated_rows(rows, seed):
    times_RU = times_of(rows, seed)

    found = values(rows, times_RU)

    for index, times_U in enumerate(times_RU):
        logits_C, ctr_C, labels_C, users_C = repeated(rows, times_U)
        if len(labels_C) == 0:
            assert all(np.isnan(found[name][index]) for name in CLICK_METRICS)
            continue
        loss = log_loss(labels_C, ctr_C, labels=[0, 1])
        assert found["logloss"][index] == pytest.approx(loss)
        if 0 < labels_C.sum() < len(labels_C):
            metrics = evaluate(ctr_C, labels_C, users_C)
            assert found["pcoc"][index] == pytest.approx(metrics.pcoc)
            assert found["normalized_entropy"][index] == pytest.approx(metrics.normalized_entropy)
        if np.isfinite(found["gauc"][index]):
            assert found["gauc"][index] == pytest.approx(gauc(logits_C, labels_C, users_C))


@settings(max_examples=30)
@given(scored_rows(min_size=2))
def test_of_all_users_once_they_are_what_training_reports(rows):
    labels_C = rows.clicked_C.astype(np.float32)
    found = once(rows)

    assert found["ece"] == pytest.approx(ece(rows.ctr_C, labels_C, bins=BINS))
    if 0 < labels_C.sum() < len(labels_C):
        assert found["auc"] == pytest.approx(auc(rows.logits_C, labels_C))
        assert found["pcoc"] == pytest.approx(pcoc(rows.ctr_C, labels_C))


def test_who_predicts_the_click_rate_has_a_normalized_entropy_of_one():
    rows = scored([np.log(1 / 3)] * 4, [1, 0, 0, 0])

    assert once(rows)["normalized_entropy"] == pytest.approx(1)


def test_equal_scores_rank_by_chance():
    found = once(scored([0.5] * 4, [1, 0, 0, 1], users=[0, 0, 1, 1]))

    assert found["auc"] == found["gauc"] == 0.5


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_kind_of_label_what_compares_the_two_is_undefined(label):
    found = once(scored([1.0, 2.0], [label, label]))

    assert np.isnan([found["auc"], found["gauc"], found["normalized_entropy"]]).all()
    assert np.isfinite(found["logloss"])
    assert np.isnan(found["pcoc"]) == (label == 0)


def test_users_with_one_candidate_have_no_gauc():
    found = once(scored([1.0, 2.0], [0, 1], users=[0, 1]))

    assert found["auc"] == 1
    assert np.isnan(found["gauc"])


def test_certainties_that_are_wrong_stay_finite():
    found = once(scored([-700.0, 700.0], [1, 0]))

    assert np.isfinite(list(found.values())).all()
