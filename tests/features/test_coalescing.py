"""Who asks while a round trip is under way shares the next one."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Awaitable
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from app.features.coalescing import CoalescedReader
from tests.fakes import WAIT_S, HeldReads

pytestmark = pytest.mark.anyio


async def answers(*asked: Awaitable[str], **options: bool) -> list[Any]:
    """A reader that forgets somebody fails its test instead of hanging it."""
    async with asyncio.timeout(WAIT_S):
        return await asyncio.gather(*asked, **options)


def ask(reader: CoalescedReader[str], *keys: str) -> "list[asyncio.Task[str]]":
    return [asyncio.create_task(reader.read(key, WAIT_S)) for key in keys]


async def test_everybody_who_asks_at_once_shares_a_round_trip():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    reads.let_go()

    values = await answers(*(reader.read(key, WAIT_S) for key in "abc"))

    assert values == ["A", "B", "C"]
    assert reads.round_trips == [["a", "b", "c"]]


async def test_who_asks_while_a_round_trip_is_under_way_shares_the_next():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    first = ask(reader, "a")
    await reads.begins()
    later = ask(reader, "b", "c")
    await checkpoint()
    later += ask(reader, "a")
    await checkpoint()

    reads.let_go(2)

    assert await answers(*first, *later) == ["A", "B", "C", "A"]
    assert reads.round_trips == [["a"], ["b", "c", "a"]]


async def test_a_key_that_many_ask_for_is_read_once():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    reads.let_go()

    values = await answers(*(reader.read(key, WAIT_S) for key in "abab"))

    assert values == ["A", "B", "A", "B"]
    assert reads.round_trips == [["a", "b"]]


async def test_one_caller_reads_many_keys_in_one_round_trip():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    reads.let_go()

    assert await reader.read_all(["b", "a", "b"], WAIT_S) == ["B", "A", "B"]
    assert await reader.read_all([], WAIT_S) == []
    assert reads.round_trips == [["b", "a"]]


async def test_a_round_trip_takes_no_more_than_max_keys_oldest_first():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=2)
    reads.let_go(3)

    values = await answers(*(reader.read(key, WAIT_S) for key in "abcde"))

    assert values == ["A", "B", "C", "D", "E"]
    assert reads.round_trips == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_reader_that_was_idle_reads_again():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    reads.let_go(2)

    values = [await reader.read("a", WAIT_S), await reader.read("a", WAIT_S)]

    assert values == ["A", "A"]
    assert reads.round_trips == [["a"], ["a"]]


async def test_a_caller_that_gives_up_leaves_the_round_trip_to_the_others():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    impatient, patient = ask(reader, "a", "a")
    await reads.begins()

    impatient.cancel()
    await checkpoint()
    reads.let_go()

    assert await patient == "A"
    assert impatient.cancelled()
    assert reads.round_trips == [["a"]]


async def test_when_every_caller_gave_up_the_next_one_gets_its_own_answer():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    (impatient,) = ask(reader, "a")
    await reads.begins()
    impatient.cancel()
    (patient,) = ask(reader, "b")
    await checkpoint()

    reads.let_go(2)

    assert await patient == "B"
    assert reads.round_trips == [["a"], ["b"]]


async def test_a_failure_reaches_everybody_of_its_round_trip_and_nobody_else():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    reads.failure = ConnectionError("gone")
    failing = ask(reader, "a", "b", "a")
    await reads.begins()
    (later,) = ask(reader, "c")
    await checkpoint()

    reads.let_go()
    ends = await answers(*failing, return_exceptions=True)
    reads.failure = None
    reads.let_go()

    assert [str(end) for end in ends] == ["gone"] * 3
    assert await later == "C"


async def test_the_failures_that_a_caller_did_not_look_at_are_not_reported_as_forgotten():
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
    reads = HeldReads()
    reads.failure = ConnectionError("gone")
    reads.let_go()

    with pytest.raises(ConnectionError):
        await CoalescedReader(reads, max_keys=100).read_all(["a", "b"], WAIT_S)
    reads.failure = None
    await checkpoint()
    gc.collect()

    assert reports == []


async def test_closing_waits_for_the_round_trip_under_way():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    (asked,) = ask(reader, "a")
    await reads.begins()

    closing = asyncio.create_task(reader.close())
    await checkpoint()
    still_open = not closing.done()
    reads.let_go()
    await closing

    assert still_open
    assert await asked == "A"


async def test_a_key_that_nobody_waits_for_any_more_is_not_read():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    first = ask(reader, "a")
    await reads.begins()
    abandoned = ask(reader, "b", "c")
    kept = ask(reader, "c", "d")
    await checkpoint()

    for task in abandoned:
        task.cancel()
    await asyncio.gather(*abandoned, return_exceptions=True)
    reads.let_go(2)

    assert await answers(*first, *kept) == ["A", "C", "D"]
    assert reads.round_trips == [["a"], ["c", "d"]]


async def test_who_is_read_too_late_is_told_and_the_round_trip_goes_on_for_others():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    patient = asyncio.create_task(reader.read("a", WAIT_S))
    await reads.begins()

    with pytest.raises(TimeoutError):
        await reader.read_all(["b", "a"], 0.0)

    reads.let_go()
    assert await patient == "A"
    assert reads.round_trips == [["a"]]
    await reader.close()


class WatchedKey(str):
    """Text that can be watched."""

    __slots__ = ("__weakref__",)


async def test_who_is_read_too_late_leaves_no_circle_of_references_behind():
    reads = HeldReads()
    reader = CoalescedReader(reads, max_keys=100)
    patient = asyncio.create_task(reader.read("a", WAIT_S))
    await reads.begins()

    async def ask_too_late() -> "weakref.ref[WatchedKey]":
        key = WatchedKey("b")
        with contextlib.suppress(TimeoutError):
            await reader.read(key, 0.0)
        return weakref.ref(key)

    gc.disable()
    try:
        watched = await ask_too_late()
        is_forgotten = watched() is None
    finally:
        gc.enable()

    assert is_forgotten
    reads.let_go()
    assert await patient == "A"
    await reader.close()
