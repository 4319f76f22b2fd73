"""The first requests of a process are compared with the later ones."""

from dataclasses import replace

from bench.cold_start import Start, Verdict
from bench.race.latency import Summary

WARM = Summary(100, 100, 0, 0, 0.5, 200.0, 5.0, 8.0, 10.0, 12.0, 1.0)
COLD = replace(WARM, p99_ms=50.0)


def test_first_requests_like_the_later_ones_are_clean():
    verdict = Verdict.of([Start(WARM, [WARM, COLD, WARM]), Start(WARM, [WARM])])

    assert (verdict.p99_ratio, verdict.failed) == (1, 0)
    assert verdict.is_clean()


def test_first_requests_that_take_longer_at_most_starts_are_not():
    cold, warm = Start(COLD, [WARM, WARM]), Start(WARM, [WARM, WARM])

    assert Verdict.of([cold, warm, warm]).is_clean()
    assert not Verdict.of([cold, cold, warm]).is_clean()


def test_a_request_that_fails_is_not_clean():
    assert not Verdict.of([Start(replace(WARM, good=99), [WARM])]).is_clean()
