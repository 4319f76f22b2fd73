"""Waiting for what another process or task will do, without guessing how long it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.fakes import WAIT_S

LOOK_EVERY_S = 0.01


def eventually(condition: Callable[[], object]) -> float:
    """Returns once it holds: the seconds that took. One that never does fails the test."""
    started_s = time.monotonic()
    while not condition():
        assert time.monotonic() - started_s < WAIT_S, "it did not come true"
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - started_s


async def eventually_async(condition: Callable[[], Awaitable[bool]]) -> float:
    """The same for a condition that is awaited."""
    started_s = time.monotonic()
    while not await condition():
        assert time.monotonic() - started_s < WAIT_S, "it did not come true"
        await asyncio.sleep(LOOK_EVERY_S)
    return time.monotonic() - started_s
