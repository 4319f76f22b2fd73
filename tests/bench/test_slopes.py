"""A leak is told from noise, from a level and from a spike."""

import numpy as np
import pytest

from bench.slopes import CONFIDENCE, fit_slope

TIMES_S = np.arange(0, 1200, 5.0)  # twenty minutes
HOURS = TIMES_S / 3600


def noisy_level(seed: int, *, level: float = 500.0, inertia: float = 0.6) -> np.ndarray:
    """Noise of which each sample is like the one before, as memory's is."""
    rng = np.random.default_rng(seed)
    noise = [0.0]
    for step in rng.normal(size=len(TIMES_S)):
        noise.append(inertia * noise[-1] + step)
    return level + np.array(noise[1:])


def test_a_level_is_hardly_ever_taken_for_a_leak():
    false_alarms = sum(
        fit_slope(TIMES_S, noisy_level(seed)).is_distinguishable() for seed in range(500)
    )

    assert false_alarms <= 500 * 3 * (1 - CONFIDENCE)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_leak_is_caught(seed):
    leaking = noisy_level(seed) + 60 * HOURS  # 1 MiB a minute

    slope = fit_slope(TIMES_S, leaking)

    assert slope.grows(at_least_per_hour=20)
    assert slope.low < 60 < slope.high


def test_a_leak_too_small_to_matter_is_distinguishable_but_no_leak():
    slope = fit_slope(TIMES_S, 500 + 0.5 * HOURS)

    assert slope.is_distinguishable()
    assert not slope.grows(at_least_per_hour=20)


def test_one_spike_is_no_leak():
    spike = noisy_level(0)
    spike[-20] += 200

    assert not fit_slope(TIMES_S, spike).grows(at_least_per_hour=20)


def test_throughput_that_dwindles_is_told():
    dwindling = noisy_level(0) - 60 * HOURS

    assert fit_slope(TIMES_S, dwindling).shrinks(at_least_per_hour=25)
    assert not fit_slope(TIMES_S, noisy_level(0)).shrinks(at_least_per_hour=25)


def test_what_never_changes_has_no_slope():
    slope = fit_slope(TIMES_S, np.full(len(TIMES_S), 40.0))

    assert (slope.per_hour, slope.is_distinguishable(), slope.mean) == (0, False, 40)


def test_a_line_through_too_few_samples_is_refused():
    with pytest.raises(ValueError, match="too few"):
        fit_slope([1.0, 2.0], [1.0, 2.0])
