"""Latencies count from the intended time, and goodput from what came in time."""

import math

import numpy as np
import pytest

from bench.race.latency import Outcomes, goodput_per_s, summarize

NEVER = math.nan


def outcomes(*requests):
    """Each as (intended, released, done, status)."""
    intended, released, done, status = zip(*requests, strict=True)
    return Outcomes(
        np.array(intended), np.array(released), np.array(done), np.array(status, dtype=np.int64)
    )


def test_a_request_that_left_late_was_slow():
    summary = summarize(outcomes((0.0, 0.9, 1.0, 200)))

    assert summary.p50_ms == pytest.approx(1000)
    assert summary.send_lag_p99_ms == pytest.approx(900)


def test_percentiles_are_latencies_that_happened():
    requests = [(0.0, 0.0, n / 1000, 200) for n in range(1, 101)]

    summary = summarize(outcomes(*requests))

    assert (summary.p50_ms, summary.p90_ms) == (pytest.approx(50), pytest.approx(90))
    assert (summary.p99_ms, summary.max_ms) == (pytest.approx(99), pytest.approx(100))


def test_refusals_and_silence_are_counted_and_are_not_fast_answers():
    summary = summarize(
        outcomes((0.0, 0.0, 0.5, 200), (0.0, 0.0, 0.001, 429), (0.0, 0.0, NEVER, 0))
    )

    assert (summary.good, summary.refused, summary.unanswered) == (1, 1, 1)
    assert summary.p50_ms == pytest.approx(500)


def test_throughput_counts_until_the_last_good_answer():
    summary = summarize(outcomes((0.0, 0.0, 1.0, 200), (1.0, 1.0, 2.0, 200), (1, 1, 9.0, 503)))

    assert summary.requests_per_s == pytest.approx(1.0)


def test_a_run_without_answers_has_no_percentiles():
    summary = summarize(outcomes((0.0, 0.0, NEVER, 0)))

    assert math.isnan(summary.p99_ms)
    assert summary.requests_per_s == 0


def test_goodput_leaves_out_what_is_late_or_refused():
    run = outcomes(
        (0.0, 0.0, 0.1, 200), (0.0, 0.0, 0.3, 200), (0.0, 0.0, 0.1, 504), (0.0, 0.0, NEVER, 0)
    )

    assert goodput_per_s(run, within_s=0.25, offered_s=2.0) == pytest.approx(0.5)
