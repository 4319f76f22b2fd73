"""What there is to learn: the present interest, which only the order of a history tells."""

from dataclasses import dataclass

import numpy as np
import pytest

from app.simulation.samples import Split


@dataclass(frozen=True)
class Sample:
    """The category of an ad and those of the clicks before it, oldest first."""

    category: int
    history: np.ndarray
    affinity: np.ndarray  # of the history to the ad


@pytest.fixture(scope="module")
def rows(world):
    return np.flatnonzero(Split(min_history=1).masks(world)["test"])


@pytest.fixture(scope="module")
def samples(world, rows):
    log, catalog = world.log, world.catalog
    category_N = catalog.category_I[log.item_N]
    clicked = category_N[log.clicks()]
    first_N, end_N = log.history_ranges(50)
    histories = [clicked[first_N[row] : end_N[row]] for row in rows]
    return [
        Sample(category, history, catalog.affinity_CC[category, history])
        for category, history in zip(category_N[rows], histories, strict=True)
    ]


def auc(labels, scores):
    """The chance that a click outscores a non-click; ties count half."""
    values, rank = np.unique(scores, return_inverse=True)
    clicks = np.bincount(rank, weights=labels, minlength=len(values))
    others = np.bincount(rank, weights=~labels, minlength=len(values))
    below = np.cumsum(others) - others
    return (clicks * (below + others / 2)).sum() / (labels.sum() * (~labels).sum())


def recent_affinity(sample):
    weights = np.exp(-np.arange(len(sample.affinity))[::-1] / 4)
    return (weights * sample.affinity).sum() / weights.sum()


def favorite_affinity(world, sample):
    favorite = np.bincount(sample.history).argmax()
    return world.catalog.affinity_CC[favorite, sample.category]


def test_auc_of_known_scores_is_known():
    labels = np.array([True, False, True, False])

    assert auc(labels, np.array([3.0, 1.0, 2.0, 2.0])) == 0.875


def test_recency_lies_between_popularity_and_the_oracle(world, rows, samples):
    log, catalog, weights = world.log, world.catalog, world.config.clicks
    labels, items = log.clicked_N[rows], log.item_N[rows]
    item_N = weights.quality * catalog.quality_I[items]
    item_N += weights.popularity * catalog.popularity_I[items]

    oracle = auc(labels, log.true_ctr_N[rows])
    last = auc(labels, np.array([sample.affinity[-1] for sample in samples]))
    item = auc(labels, item_N)
    popularity = auc(labels, catalog.popularity_I[items])

    assert oracle > 0.8
    assert 0.7 < last < oracle - 0.05
    assert 0.52 < popularity < item < 0.62


def test_the_order_of_a_history_tells_more_than_its_categories_do(world, rows, samples):
    labels = world.log.clicked_N[rows]

    recent = auc(labels, np.array([recent_affinity(sample) for sample in samples]))
    mean = auc(labels, np.array([sample.affinity.mean() for sample in samples]))
    favorite = auc(labels, np.array([favorite_affinity(world, sample) for sample in samples]))

    assert recent > 0.74
    assert recent > mean + 0.07
    assert recent > favorite + 0.1


def test_recent_clicks_predict_better_than_old_ones(world, rows, samples):
    long = [row for row, sample in enumerate(samples) if len(sample.history) >= 20]
    labels = world.log.clicked_N[rows][long]

    recent = auc(labels, np.array([samples[row].affinity[-5:].mean() for row in long]))
    old = auc(labels, np.array([samples[row].affinity[:5].mean() for row in long]))

    assert recent > old + 0.15


def test_histories_are_long_enough_to_learn_from(world):
    first_N, end_N = world.log.history_ranges(50)
    train = Split().masks(world)["train"]

    assert 60_000 < train.sum() < 120_000
    assert 15 < (end_N - first_N)[train].mean() < 25
