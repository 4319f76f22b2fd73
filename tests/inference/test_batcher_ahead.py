"""Batches that are ready before a thread is: a thread that is done goes on without the loop."""

import asyncio
import time

import pytest
from anyio.lowlevel import checkpoint

from app.inference.batch_policy import BatchPolicy
from app.monitoring.metrics import Metrics
from tests.fakes import WAIT_S, HeldEngine, ask, held_batcher

pytestmark = pytest.mark.anyio

ROOMY = BatchPolicy(max_batch_pairs=1_000_000, max_queued_pairs=1_000_000)


async def submit(batcher, *jobs):
    tasks = [asyncio.create_task(ask(batcher, job)) for job in jobs]
    await checkpoint()
    await checkpoint()
    return tasks


@pytest.fixture
async def engine():
    return HeldEngine()


@pytest.fixture
async def batcher(engine):
    batcher = held_batcher(engine, ROOMY, Metrics(), ahead=1)
    async with asyncio.timeout(WAIT_S):
        yield batcher
        engine.let_go(1_000)
        await batcher.drain()


async def test_one_batch_is_in_line_and_what_comes_later_gathers_for_the_next(engine, batcher):
    tasks = await submit(batcher, "a")
    await engine.begins()
    tasks += await submit(batcher, "b", "c")
    assert batcher.queued_jobs == 0
    tasks += await submit(batcher, "d")
    tasks += await submit(batcher, "e")
    assert batcher.queued_jobs == 2

    engine.let_go(3)

    assert [(await task).result for task in tasks] == ["A", "B", "C", "D", "E"]
    assert engine.batches == [["a"], ["b", "c"], ["d", "e"]]


async def test_time_in_line_counts_as_time_in_the_queue(engine, batcher):
    tasks = await submit(batcher, "a")
    await engine.begins()
    tasks += await submit(batcher, "b")
    in_line_since_s = time.perf_counter()
    await asyncio.to_thread(time.perf_counter)  # whatever takes a moment
    in_line_s = time.perf_counter() - in_line_since_s
    engine.let_go(2)

    answer = (await asyncio.gather(*tasks))[1]

    assert answer.queue_s >= in_line_s


async def test_a_batch_in_line_is_finished_before_the_threads_end(engine, batcher):
    tasks = await submit(batcher, "a")
    await engine.begins()
    tasks += await submit(batcher, "b")
    draining = asyncio.create_task(batcher.drain())
    await checkpoint()
    assert not draining.done()

    engine.let_go(2)
    await draining

    assert [task.result().result for task in tasks] == ["A", "B"]
