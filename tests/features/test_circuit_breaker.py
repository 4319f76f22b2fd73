"""After failures in a row a server is not asked, until a probe and then a question are answered."""

import pytest

from app.features.circuit_breaker import FIRST_PROBE_S, LONGEST_PAUSE_S, Circuit, CircuitBreaker


@pytest.fixture
def changes() -> list[Circuit]:
    return []


@pytest.fixture
def breaker(changes: list[Circuit]) -> CircuitBreaker:
    return CircuitBreaker(changes.append, failures_to_open=3, jitter=lambda: 1.0)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_opens_after_failures_in_a_row(breaker, changes):
    fail(breaker, 2)
    assert breaker.state is Circuit.CLOSED

    breaker.failed()

    assert breaker.state is Circuit.OPEN
    assert changes == [Circuit.OPEN]


def test_a_success_in_between_starts_the_count_again(breaker, changes):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)

    assert breaker.state is Circuit.CLOSED
    assert changes == []


def test_a_probe_and_then_a_question_close_it(breaker, changes):
    fail(breaker, 3)
    breaker.probe_succeeded()
    assert breaker.state is Circuit.HALF_OPEN

    breaker.succeeded()

    assert changes == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.CLOSED]


def test_on_probation_one_failure_is_enough(breaker, changes):
    fail(breaker, 3)
    breaker.probe_succeeded()

    breaker.failed()

    assert changes == [Circuit.OPEN, Circuit.HALF_OPEN, Circuit.OPEN]


def test_an_answer_from_before_it_opened_does_not_close_it(breaker):
    fail(breaker, 3)

    breaker.succeeded()

    assert breaker.state is Circuit.OPEN


def test_once_closed_it_takes_as_many_failures_again(breaker):
    fail(breaker, 3)
    breaker.probe_succeeded()
    breaker.succeeded()

    fail(breaker, 2)

    assert breaker.state is Circuit.CLOSED


def test_pauses_double_up_to_a_bound(breaker):
    pauses_s = [breaker.next_pause_s() for _ in range(1000)]

    assert pauses_s[:3] == [FIRST_PROBE_S, 2 * FIRST_PROBE_S, 4 * FIRST_PROBE_S]
    assert max(pauses_s) == pauses_s[-1] == LONGEST_PAUSE_S


def test_probation_that_fails_does_not_start_with_short_pauses_again(breaker):
    fail(breaker, 3)
    first_s = breaker.next_pause_s()
    breaker.probe_succeeded()
    breaker.failed()
    second_s = breaker.next_pause_s()
    breaker.probe_succeeded()
    breaker.succeeded()

    assert second_s == 2 * first_s
    assert breaker.next_pause_s() == first_s


def test_pauses_differ_between_replicas():
    breakers = [CircuitBreaker(lambda _: None) for _ in range(20)]

    pauses_s = {breaker.next_pause_s() for breaker in breakers}

    assert len(pauses_s) > 10
    assert all(FIRST_PROBE_S / 2 < pause_s < FIRST_PROBE_S * 2 for pause_s in pauses_s)
