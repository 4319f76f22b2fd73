"""Work in the background is given less of the CPU, and hands back what came of it."""

import asyncio
import os
import sys
import threading

import pytest

from app.registry.background import NICENESS, in_background

pytestmark = pytest.mark.anyio

WAIT_S = 30.0


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_what_it_returns_comes_back() -> None:
    assert await in_background(lambda: 42) == 42


async def test_what_it_raises_comes_back() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_background(fail)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority per thread")
async def test_its_thread_steps_back_and_no_other() -> None:
    before = niceness()

    in_thread = await in_background(niceness)

    assert in_thread == max(before, NICENESS)
    assert niceness() == before


async def test_where_it_may_not_step_back_it_works_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)

    assert await asyncio.wait_for(in_background(lambda: 42), WAIT_S) == 42


async def test_the_event_loop_goes_on_meanwhile() -> None:
    may_end = threading.Event()
    working = asyncio.create_task(asyncio.wait_for(in_background(may_end.wait), WAIT_S))
    await asyncio.sleep(0)

    may_end.set()

    assert await working is True


async def test_nobody_has_to_wait_for_it() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(WAIT_S)
        ended.set()

    working = asyncio.create_task(in_background(work))
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    may_end.set()

    assert await asyncio.to_thread(ended.wait, WAIT_S)
