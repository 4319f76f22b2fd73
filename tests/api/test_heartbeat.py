"""How late the event loop is, as those say who look at it too late."""

import asyncio
import time

import pytest

from app.api.door import MOST_UNREAD, Door
from app.api.heartbeat import Heartbeat
from app.api.limits import RequestLimits
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from tests.eventually import eventually_async

pytestmark = pytest.mark.anyio

BLOCKED_S = 0.1
LIMITS = RequestLimits(
    max_body_bytes=1024, body_timeout_s=1, default_deadline_ms=1_000, max_deadline_ms=10_000
)


async def test_a_loop_that_was_blocked_is_late_for_a_while_and_then_on_time_again() -> None:
    heartbeat = Heartbeat()
    beating = asyncio.create_task(heartbeat.beat(Metrics().event_loop_lag_seconds))
    await asyncio.sleep(0)
    assert heartbeat.recent_lag_s() == 0.0

    time.sleep(BLOCKED_S)  # noqa: ASYNC251 - this is what blocks it

    async def is_late() -> bool:
        return heartbeat.recent_lag_s() > BLOCKED_S / 2

    async def is_on_time() -> bool:
        return heartbeat.recent_lag_s() < BLOCKED_S / 4

    await eventually_async(is_late)
    await eventually_async(is_on_time)
    beating.cancel()
    await beating


def door_of(loop_lag_s: float) -> Door:
    return Door(Admission(threads=1), LIMITS, Metrics(), loop_lag_s=lambda: loop_lag_s)


def test_what_waited_in_a_socket_has_less_time_left() -> None:
    entry = door_of(0.02).enter([(b"x-deadline-ms", b"100")])

    assert entry.unread_s == 0.02
    assert entry.ticket.deadline.remaining_s() <= 0.08


def test_however_late_the_loop_was_half_of_the_time_is_left() -> None:
    """What blocked it is over, and the next request may come in time."""
    entry = door_of(60.0).enter([(b"x-deadline-ms", b"100")])

    assert entry.unread_s == pytest.approx(MOST_UNREAD * 0.1)
