"""Deadlines pass, and the stages of a request add up."""

import pytest

from app.core.deadline import Deadline, StageTimes


def test_a_deadline_has_time_left_before_it_and_none_after_it():
    assert 0 < Deadline.after(1000).remaining_s() <= 1000
    assert Deadline.after(0).remaining_s() <= 0
    assert Deadline.after(-1000).remaining_s() <= -1000


def test_an_earlier_deadline_leaves_time_until_the_later_one():
    deadline = Deadline.after(1000)

    assert deadline.earlier(2.5).at_s == deadline.at_s - 2.5


def test_the_time_of_a_stage_is_the_sum_of_its_parts():
    times = StageTimes()

    times.add("encode", 0.25)
    times.add("compute", 1.0)
    times.add("encode", 0.5)

    assert times.seconds == {"encode": 0.75, "compute": 1.0}


def test_a_stage_is_measured_even_if_it_fails():
    times = StageTimes()

    with pytest.raises(ZeroDivisionError), times.measure("features"):
        _ = 1 / 0

    assert list(times.seconds) == ["features"]
