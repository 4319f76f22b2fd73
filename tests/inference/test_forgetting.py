"""Whoever has its answer is forgotten at once, however far away its deadline is."""

import asyncio
import contextlib
import gc
import logging
import weakref
from collections.abc import Iterator

import pytest

from app.errors import DeadlineExceeded, EngineFailed
from app.inference.batch_policy import BatchPolicy
from app.inference.batcher import Batcher
from app.monitoring.metrics import Metrics
from tests.eventually import eventually_async
from tests.fakes import HeldEngine, ask, held_batcher

pytestmark = pytest.mark.anyio

POLICY = BatchPolicy(max_batch_pairs=1_000, max_queued_pairs=1_000)
HOUR_S = 3600.0


class Job(str):
    """Text that can be watched."""

    __slots__ = ("__weakref__",)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """What leaves now leaves by itself."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("gives_up", [False, True])
async def test_no_timer_holds_a_request_until_its_deadline(gives_up):
    engine = HeldEngine()
    batcher = held_batcher(engine, POLICY, Metrics())
    job = Job("job")
    watched = weakref.ref(job)
    asked = asyncio.create_task(ask(batcher, job, within_s=HOUR_S))
    await engine.begins()

    if gives_up:
        asked.cancel()
    engine.let_go()
    await asyncio.wait([asked])

    async def is_forgotten() -> bool:
        gc.collect()
        return watched() is None

    engine.batches.clear()
    del asked, job
    await eventually_async(is_forgotten)
    await batcher.drain()


async def test_who_is_too_late_leaves_no_circle_of_references_behind():
    engine = HeldEngine()
    batcher = held_batcher(engine, POLICY, Metrics())
    busy = asyncio.create_task(ask(batcher, "busy", within_s=HOUR_S))
    await engine.begins()

    async def ask_too_late() -> "weakref.ref[Job]":
        job = Job("job")
        with contextlib.suppress(DeadlineExceeded):
            await ask(batcher, job, within_s=0.001)
        return weakref.ref(job)

    with no_collection():
        watched = await ask_too_late()
        engine.let_go(2)
        await busy
        await ask(batcher, "next", within_s=HOUR_S)
        is_forgotten = watched() is None

    assert is_forgotten
    await batcher.drain()


@pytest.mark.parametrize("failing", ["bad", "unreadable", "lost"])
async def test_who_the_engine_failed_leaves_no_circle_of_references_behind(monkeypatch, failing):
    # pytest keeps what is logged, with the traceback and its frames.
    monkeypatch.setattr(logging.getLogger(Batcher.__module__), "disabled", True)
    engine = HeldEngine()
    batcher = held_batcher(engine, POLICY, Metrics())
    engine.let_go(2)

    async def ask_in_vain() -> "weakref.ref[Job]":
        job = Job(failing)
        with contextlib.suppress(EngineFailed):
            await ask(batcher, job, within_s=HOUR_S)
        return weakref.ref(job)

    with no_collection():
        watched = await ask_in_vain()
        engine.batches.clear()
        await ask(batcher, "next", within_s=HOUR_S)
        is_forgotten = watched() is None

    assert is_forgotten
    await batcher.drain()
