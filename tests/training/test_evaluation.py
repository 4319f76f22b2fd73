"""Metrics against values by hand, naive loops and the properties that define them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from app.training.evaluation import auc, ece, evaluate, gauc, pcoc

# C candidates

Samples = tuple[np.ndarray, np.ndarray, np.ndarray]  # scores, labels, users


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    """Few distinct scores, so that ties are common; labels of both kinds."""
    count = draw(st.integers(2, 30))
    scores_C = draw(
        npst.arrays(np.float32, count, elements=st.sampled_from([-2, -0.5, 0, 0.25, 3]))
    )
    labels_C = draw(npst.arrays(np.float32, count, elements=st.sampled_from([0, 1])))
    labels_C[:2] = 0, 1
    users_C = draw(npst.arrays(np.int64, count, elements=st.integers(0, 4)))
    return scores_C, labels_C, users_C


def naive_auc(scores_C: np.ndarray, labels_C: np.ndarray) -> float:
    won = [
        1.0 if clicked > other else 0.5 if clicked == other else 0.0
        for clicked in scores_C[labels_C == 1]
        for other in scores_C[labels_C == 0]
    ]
    return sum(won) / len(won)


def naive_gauc(scores_C: np.ndarray, labels_C: np.ndarray, users_C: np.ndarray) -> float:
    total = weight = 0.0
    for user in set(users_C.tolist()):
        own = users_C == user
        if len(set(labels_C[own].tolist())) == 2:
            total += own.sum() * naive_auc(scores_C[own], labels_C[own])
            weight += own.sum()
    return total / weight if weight else 0.5


def test_metrics_of_four_impressions_by_hand() -> None:
    ctr_C = np.array([0.8, 0.6, 0.5, 0.25])
    labels_C = np.array([1, 0, 1, 0], np.float32)

    metrics = evaluate(ctr_C, labels_C, np.array([0, 0, 1, 1]))

    assert metrics.auc == pytest.approx(3 / 4)
    assert metrics.gauc == pytest.approx(1.0)
    assert metrics.logloss == pytest.approx(-np.log([0.8, 0.4, 0.5, 0.75]).mean())
    assert metrics.pcoc == pytest.approx((0.8 + 0.6 + 0.5 + 0.25) / 2)
    assert metrics.rows == 4
    # Every impression is a bin of its own.
    assert metrics.ece == pytest.approx((0.2 + 0.6 + 0.5 + 0.25) / 4)


@given(samples())
def test_auc_counts_the_pairs_in_order_and_ties_half(samples: Samples) -> None:
    scores_C, labels_C, _ = samples

    assert auc(scores_C, labels_C) == pytest.approx(naive_auc(scores_C, labels_C))


@given(samples(), st.floats(0.1, 5), st.floats(-3, 3))
def test_rank_metrics_do_not_change_under_a_rising_map(
    samples: Samples, slope: float, offset: float
) -> None:
    scores_C, labels_C, users_C = samples
    risen_C = 1 / (1 + np.exp(-(slope * scores_C.astype(np.float64) + offset)))

    assert auc(risen_C, labels_C) == pytest.approx(auc(scores_C, labels_C))
    assert gauc(risen_C, labels_C, users_C) == pytest.approx(gauc(scores_C, labels_C, users_C))


@given(samples())
def test_auc_of_the_opposite_opinion_is_its_complement(samples: Samples) -> None:
    scores_C, labels_C, _ = samples

    assert auc(-scores_C, labels_C) == pytest.approx(1 - auc(scores_C, labels_C))


@given(samples())
def test_gauc_is_the_impression_weighted_auc_of_users_with_both_labels(samples: Samples) -> None:
    assert gauc(*samples) == pytest.approx(naive_gauc(*samples))


@given(samples(), npst.arrays(np.float32, 5, elements=st.floats(-9, 9, width=32)))
def test_gauc_does_not_see_what_is_the_same_for_all_of_a_users_candidates(
    samples: Samples, bias_U: np.ndarray
) -> None:
    scores_C, labels_C, users_C = samples
    biased_C = scores_C.astype(np.float64) + bias_U[users_C]

    assert gauc(biased_C, labels_C, users_C) == pytest.approx(gauc(scores_C, labels_C, users_C))


def test_gauc_without_a_user_who_has_both_is_chance() -> None:
    assert gauc(np.array([1.0, 2.0]), np.array([0.0, 1.0]), np.array([0, 1])) == 0.5


@given(samples())
def test_pcoc_of_the_mean_label_is_one(samples: Samples) -> None:
    _, labels_C, _ = samples
    ctr_C = np.full(len(labels_C), labels_C.mean(dtype=np.float64))

    assert pcoc(ctr_C, labels_C) == pytest.approx(1.0)
    assert pcoc(2 * ctr_C, labels_C) == pytest.approx(2.0)


def naive_ece(ctr_C: np.ndarray, labels_C: np.ndarray, bins: int) -> float:
    """Of distinct predictions, as many in each bin."""
    order = np.argsort(ctr_C).reshape(bins, -1)
    gaps = [abs(ctr_C[own].mean() - labels_C[own].mean()) for own in order]
    return float(np.mean(gaps))


@pytest.mark.parametrize("bins", [1, 15, 20])
def test_ece_is_the_mean_gap_of_bins_with_as_many_rows(bins: int) -> None:
    rng = np.random.default_rng(0)
    ctr_C = rng.beta(1, 5, 600)
    labels_C = (rng.random(600) < ctr_C).astype(np.float32)

    assert ece(ctr_C, labels_C, bins=bins) == pytest.approx(naive_ece(ctr_C, labels_C, bins))


def test_ece_of_one_bin_is_the_gap_of_the_means() -> None:
    ctr_C, labels_C = np.array([0.2, 0.4, 0.6]), np.array([0.0, 0.0, 1.0])

    assert ece(ctr_C, labels_C, bins=1) == pytest.approx(0.4 - 1 / 3)


@given(samples(), st.integers(1, 20))
def test_equal_predictions_that_are_right_on_average_have_no_ece(
    samples: Samples, bins: int
) -> None:
    _, labels_C, _ = samples
    ctr_C = np.full(len(labels_C), labels_C.mean(dtype=np.float64))

    assert ece(ctr_C, labels_C, bins=bins) == pytest.approx(0, abs=1e-12)


def test_ece_of_probabilities_that_are_twice_the_truth_is_the_truth() -> None:
    rng = np.random.default_rng(1)
    true_C = rng.uniform(0.01, 0.4, 200_000)
    labels_C = (rng.random(len(true_C)) < true_C).astype(np.float64)

    assert ece(true_C, labels_C) < 0.005
    assert ece(2 * true_C, labels_C) == pytest.approx(true_C.mean(), abs=0.005)


def test_certainties_that_are_wrong_stay_finite() -> None:
    metrics = evaluate(np.array([0.0, 1.0]), np.array([1.0, 0.0]), np.array([0, 0]))

    assert np.isfinite(metrics.logloss)
