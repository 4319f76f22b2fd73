"""The reliability table holds every row once, and its gaps are the ECE."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.training.evaluation import ece
from app.training.quality.reliability import ece_if_honest, reliability
from app.training.quality.scored_rows import ScoredRows
from tests.training.quality.scored import scored, scored_rows

few_bins = st.integers(1, 20)


@given(scored_rows(), few_bins)
def test_the_mean_gap_of_its_rows_is_the_ece(rows, bins):
    table = reliability(rows, bins=bins)

    gaps = [part.rows * abs(part.predicted - part.observed) for part in table]
    assert sum(part.rows for part in table) == len(rows)
    assert sum(gaps) / len(rows) == pytest.approx(ece(rows.ctr_C, rows.clicked_C, bins=bins))


@given(scored_rows(), few_bins)
def test_its_bins_rise_and_do_not_overlap(rows, bins):
    table = reliability(rows, bins=bins)

    assert all(part.lowest <= part.highest for part in table)
    assert all(low.highest < high.lowest for low, high in pairwise(table))


def test_equal_predictions_are_one_bin():
    (part,) = reliability(scored([0.0] * 4, [1, 0, 0, 0]), bins=10)

    assert (part.rows, part.predicted, part.observed) == (4, 0.5, 0.25)


def test_honest_predictions_have_about_the_ece_that_is_foretold():
    rng = np.random.default_rng(0)
    ctr_C, user_C = rng.beta(1, 5, 3000), np.zeros(3000, np.int64)
    worlds = [ScoredRows(ctr_C, ctr_C, rng.random(3000) < ctr_C, user_C) for _ in range(300)]

    found = [ece(rows.ctr_C, rows.clicked_C, bins=15) for rows in worlds]

    assert np.mean(found) == pytest.approx(ece_if_honest(worlds[0], bins=15), rel=0.05)
