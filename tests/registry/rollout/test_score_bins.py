import numpy as np
import pytest

from app.registry.rollout.score_bins import BINS, binned, coarse_bins, coarsened, psi_of


def ctr_of(logits):
    return 1 / (1 + np.exp(-logits))


def psi(old_ctr, new_ctr):
    old, new = (1000 * binned(ctr)[None] for ctr in (old_ctr, new_ctr))
    coarse = coarse_bins(old[0])
    return psi_of(np.concatenate([coarsened(new, coarse), coarsened(old, coarse)], axis=1)).item()


def test_equal_scores_have_no_distance():
    ctr = ctr_of(np.random.default_rng(0).normal(-3, 1, 5000))

    assert psi(ctr, ctr) == 0


def test_a_shift_by_a_deviation_is_the_index_of_two_normal_distributions():
    """Which is 1 in the limit of infinitely fine bins; ten see a little less."""
    logits = np.random.default_rng(0).normal(-3, 1, 50_000)

    assert 0.8 < psi(ctr_of(logits), ctr_of(logits + 1)) < 1


def test_another_draw_of_the_same_distribution_counts_as_unchanged():
    random = np.random.default_rng(0)
    draws = [ctr_of(random.normal(-3, 1, 5000)) for _ in range(2)]

    assert psi(*draws) < 0.02


def test_a_version_that_says_one_thing_of_everything_is_far_away_but_not_infinitely():
    logits = np.random.default_rng(0).normal(-3, 1, 5000)

    assert 1 < psi(ctr_of(logits), np.full(5000, 0.05)) < 20


@pytest.mark.parametrize("ctr", [0.0, 1.0])
def test_impossible_and_certain_clicks_are_in_the_outermost_bins(ctr):
    shares = binned(np.array([ctr]))

    assert shares[0 if ctr == 0 else BINS - 1] == 1
