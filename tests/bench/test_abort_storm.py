"""Which clients leave and how, and what is said of a service that they left."""

from collections import Counter
from dataclasses import replace

import pytest

from bench.abort_storm import Round, Verdict
from bench.aborting_clients import WAYS, Way, draw_ways, sent_before_leaving
from bench.race.latency import Summary

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789"
CALM = Summary(1000, 1000, 0, 0, 5.0, 200.0, 5.0, 8.0, 20.0, 30.0, 1.0)
NOTHING = {"tasks": 4.0, "descriptors": 18.0}


def round_of(*, after: Summary = CALM, held_after: dict[str, float] = NOTHING) -> Round:
    return Round([CALM], [after], {}, {}, NOTHING, held_after)


def test_four_of_five_leave_in_every_way_equally_often():
    ways = draw_ways(3000, abort_share=0.8, seed=1)

    counted = Counter(ways)
    assert counted.pop(None) == 600
    assert counted == dict.fromkeys(WAYS, 400)


def test_the_ways_come_in_an_order_that_is_drawn_and_the_same_for_a_seed():
    drawn = draw_ways(600, abort_share=0.8, seed=1)

    assert drawn == draw_ways(600, abort_share=0.8, seed=1)
    assert drawn != draw_ways(600, abort_share=0.8, seed=2)


def test_for_the_control_everybody_stays():
    assert draw_ways(100, abort_share=0, seed=1) == [None] * 100


def test_whoever_leaves_while_it_sends_has_sent_its_head_and_half_of_its_body():
    assert sent_before_leaving(REQUEST, Way("sending", "RST")) == REQUEST[:-5]
    assert sent_before_leaving(REQUEST, Way("queued", "FIN")) == REQUEST
    assert sent_before_leaving(REQUEST, Way("computing", "RST")) == REQUEST


def test_a_service_that_is_as_before_is_clean():
    verdict = Verdict.of([round_of(), round_of()])

    assert verdict.is_clean()
    assert (verdict.p99_ratio, verdict.failed_after, verdict.left) == (1, 0, {})


def test_one_slow_window_among_many_is_not_the_storms():
    slow = round_of(after=replace(CALM, p99_ms=200.0))

    assert Verdict.of([round_of(), slow, round_of()]).is_clean()
    assert not Verdict.of([slow, slow, round_of()]).is_clean()


@pytest.mark.parametrize("lost", ["refused", "unanswered"])
def test_a_request_that_fails_after_the_storm_is_not_clean(lost):
    verdict = Verdict.of([round_of(after=replace(CALM, good=999, **{lost: 1}))])

    assert verdict.failed_after == 1
    assert not verdict.is_clean()


def test_what_is_held_after_the_storm_and_was_not_before_is_left_behind():
    leaky = round_of(held_after={"tasks": 5.0, "descriptors": 17.0})

    verdict = Verdict.of([round_of(), leaky])

    assert verdict.left == {"tasks": 1.0}
    assert not verdict.is_clean()
