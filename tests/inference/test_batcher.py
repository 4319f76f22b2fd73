"""The batcher before an engine that a test holds and lets go: nothing here depends on time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from anyio.lowlevel import checkpoint

from app.core.deadline import Deadline
from app.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from app.inference.batch_policy import BatchPolicy
from app.inference.batcher import Batcher
from app.inference.cost_model import Size
from app.monitoring.metrics import Metrics
from tests.fakes import WAIT_S, HeldEngine, ask, held_batcher

pytestmark = pytest.mark.anyio

ROOMY = BatchPolicy(max_batch_pairs=1_000_000, max_queued_pairs=1_000_000)

StrBatcher = Batcher[str, str]


@pytest.fixture
def engine() -> HeldEngine:
    return HeldEngine()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@asynccontextmanager
async def opened(
    engine: HeldEngine, metrics: Metrics, policy: BatchPolicy = ROOMY, *, threads: int = 1
) -> AsyncIterator[StrBatcher]:
    batcher = held_batcher(engine, policy, metrics, threads=threads)
    async with asyncio.timeout(WAIT_S):
        try:
            yield batcher
        finally:
            engine.let_go(1_000)
            await batcher.drain()


async def submit(batcher: StrBatcher, *jobs: str, pairs: int = 1, within_s: float = WAIT_S):
    """Tasks whose jobs are in the queue, in this order."""
    tasks = [asyncio.create_task(ask(batcher, job, pairs=pairs, within_s=within_s)) for job in jobs]
    await checkpoint()
    return tasks


async def keep_busy(batcher: StrBatcher, engine: HeldEngine, *jobs: str):
    """Submits jobs one after the other until an engine thread works on each."""
    tasks = []
    for job in jobs:
        tasks += await submit(batcher, job)
        await engine.begins()
    return tasks


def gauge(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"model": "fake"})


def waiting(metrics: Metrics) -> tuple[float | None, float | None]:
    """Jobs in the queue and their cost, as an operator sees them."""
    return gauge(metrics, "ctr_queue_jobs"), gauge(metrics, "ctr_queue_cost_pairs")


async def results_of(tasks) -> list[str]:
    return [answer.result for answer in await asyncio.gather(*tasks)]


async def test_a_free_engine_computes_a_job_at_once(engine, metrics):
    async with opened(engine, metrics) as batcher:
        engine.let_go()

        answer = await ask(batcher, "a")

    assert (answer.result, answer.batch_jobs) == ("A", 1)
    assert answer.queue_s >= 0
    assert engine.batches == [["a"]]


async def test_jobs_gather_while_the_engine_is_busy_and_go_together(engine, metrics):
    async with opened(engine, metrics) as batcher:
        first = await keep_busy(batcher, engine, "a")
        later = await submit(batcher, "b", "c", "d")

        engine.let_go(2)

        assert await results_of(first + later) == ["A", "B", "C", "D"]
        assert [answer.result().batch_jobs for answer in later] == [3, 3, 3]
    assert engine.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_is_closed_at_its_limit_and_keeps_the_order(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=5, max_queued_pairs=100)
    async with opened(engine, metrics, policy) as batcher:
        first = await keep_busy(batcher, engine, "a")
        small = await submit(batcher, "b", "c", pairs=2)
        large = await submit(batcher, "d", pairs=7)
        small += await submit(batcher, "e", "f", pairs=2)

        engine.let_go(4)

        await results_of(first + small + large)
    assert engine.batches == [["a"], ["b", "c"], ["d"], ["e", "f"]]


async def test_whoever_is_due_first_is_computed_first(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=2, max_queued_pairs=100)
    async with opened(engine, metrics, policy) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        tasks += await submit(batcher, "b", "c", within_s=WAIT_S)
        tasks += await submit(batcher, "d", within_s=WAIT_S / 2)
        tasks += await submit(batcher, "e", within_s=WAIT_S / 3)

        engine.let_go(3)

        assert await results_of(tasks) == ["A", "B", "C", "D", "E"]
    assert engine.batches == [["a"], ["e", "d"], ["b", "c"]]


async def test_what_comes_together_is_shared_between_free_threads(engine, metrics):
    async with opened(engine, metrics, threads=2) as batcher:
        tasks = await submit(batcher, "a", "b", "c", "d")

        engine.let_go(2)

        assert await results_of(tasks) == ["A", "B", "C", "D"]
    assert sorted(engine.batches) == [["a", "b"], ["c", "d"]]


async def test_many_who_gave_up_leave_nothing_in_the_order_of_deadlines(engine, metrics):
    async with opened(engine, metrics) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        for number in range(500):
            (gone,) = await submit(batcher, f"gone-{number}")
            gone.cancel()
            await asyncio.wait([gone])
        tasks += await submit(batcher, "b", within_s=WAIT_S / 2)
        engine.let_go(2)

        assert await results_of(tasks) == ["A", "B"]
    assert engine.batches == [["a"], ["b"]]


async def test_the_time_of_batches_is_compared_with_what_was_predicted(engine, metrics):
    async with opened(engine, metrics) as batcher:
        engine.let_go(2)
        for job in ("a", "b"):
            await ask(batcher, job)

    assert gauge(metrics, "ctr_batch_compute_ratio_count") == 2
    assert gauge(metrics, "ctr_batch_compute_ratio_sum") > 0


async def test_several_threads_compute_at_the_same_time(engine, metrics):
    async with opened(engine, metrics, threads=3) as batcher:
        tasks = await keep_busy(batcher, engine, "a", "b", "c")
        tasks += await submit(batcher, "d")

        computing = list(engine.batches)
        engine.let_go(4)

        assert await results_of(tasks) == ["A", "B", "C", "D"]
    assert computing == [["a"], ["b"], ["c"]]
    assert len(engine.threads) == 3


async def test_a_full_queue_sheds_before_computing(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=100, max_queued_pairs=10)
    async with opened(engine, metrics, policy) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        tasks += await submit(batcher, "b", pairs=8)

        with pytest.raises(Overloaded, match="8 candidate-behavior pairs are queued, 3 more"):
            await ask(batcher, "c", pairs=3)
        tasks += await submit(batcher, "d", pairs=2)
        engine.let_go(2)

        assert await results_of(tasks) == ["A", "B", "D"]
    assert engine.batches == [["a"], ["b", "d"]]


async def test_a_job_larger_than_the_queue_is_computed_when_nothing_waits(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=10, max_queued_pairs=10)
    async with opened(engine, metrics, policy) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        tasks += await submit(batcher, "huge", pairs=1_000)

        engine.let_go(2)

        assert await results_of(tasks) == ["A", "HUGE"]


async def test_whoever_gives_up_makes_room_at_once(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=100, max_queued_pairs=10)
    async with opened(engine, metrics, policy) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        (impatient,) = await submit(batcher, "b", pairs=10)

        impatient.cancel()
        await asyncio.wait([impatient])
        room = waiting(metrics)
        tasks += await submit(batcher, "c", pairs=10)
        engine.let_go(2)

        assert await results_of(tasks) == ["A", "C"]
    assert room == (0, 0)
    assert engine.batches == [["a"], ["c"]]


async def test_a_deadline_passes_in_the_queue(engine, metrics):
    async with opened(engine, metrics) as batcher:
        tasks = await keep_busy(batcher, engine, "a")

        with pytest.raises(DeadlineExceeded):
            await ask(batcher, "late", within_s=0.001)
        tasks += await submit(batcher, "b")
        engine.let_go(2)

        assert await results_of(tasks) == ["A", "B"]
    assert engine.batches == [["a"], ["b"]]


async def test_a_deadline_passes_while_the_engine_is_stuck(engine, metrics):
    async with opened(engine, metrics) as batcher:
        (stuck,) = await submit(batcher, "a", within_s=0.001)
        await engine.begins()

        with pytest.raises(DeadlineExceeded):
            await stuck


async def test_a_job_whose_time_is_up_at_the_door_is_not_computed(engine, metrics):
    async with opened(engine, metrics) as batcher:
        with pytest.raises(DeadlineExceeded):
            await ask(batcher, "late", within_s=0)

    assert engine.batches == []


async def test_a_job_that_nobody_waits_for_is_not_computed(engine, metrics):
    async with opened(engine, metrics) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        gone, *staying = await submit(batcher, "b", "c")
        gone_too, *staying_too = await submit(batcher, "d", "e")

        gone.cancel()
        gone_too.cancel()
        engine.let_go(2)

        assert await results_of(tasks + staying + staying_too) == ["A", "C", "E"]
    assert engine.batches == [["a"], ["c", "e"]]


async def test_when_everybody_gave_up_the_engine_stays_idle_until_the_next_job(engine, metrics):
    async with opened(engine, metrics) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        abandoned = await submit(batcher, "b", "c")
        for task in abandoned:
            task.cancel()
        engine.let_go()
        await results_of(tasks)

        (after,) = await submit(batcher, "d")
        engine.let_go()

        assert (await after).result == "D"
    assert engine.batches == [["a"], ["d"]]


async def test_a_client_that_leaves_during_the_computation_harms_nobody(engine, metrics):
    async with opened(engine, metrics) as batcher:
        first = await keep_busy(batcher, engine, "a")
        gone, staying = await submit(batcher, "b", "c")
        engine.let_go()
        await results_of(first)
        await engine.begins()

        gone.cancel()
        engine.let_go()

        assert (await staying).result == "C"
        assert gone.cancelled()


async def test_a_job_that_fails_does_not_take_its_neighbors_with_it(engine, metrics):
    async with opened(engine, metrics) as batcher:
        first = await keep_busy(batcher, engine, "a")
        before, bad, after = await submit(batcher, "b", "bad", "c")

        engine.let_go(100)

        assert await results_of([*first, before, after]) == ["A", "B", "C"]
        with pytest.raises(EngineFailed, match="ValueError"):
            await bad
    assert engine.batches == [["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]]
    assert gauge(metrics, "ctr_engine_failures_total") == 2


async def test_a_job_that_cannot_be_prepared_does_not_take_its_neighbors_with_it(engine, metrics):
    async with opened(engine, metrics) as batcher:
        first = await keep_busy(batcher, engine, "a")
        before, unreadable, after = await submit(batcher, "b", "unreadable", "c")

        engine.let_go(100)

        assert await results_of([*first, before, after]) == ["A", "B", "C"]
        with pytest.raises(EngineFailed, match="KeyError"):
            await unreadable
    assert engine.batches == [["a"], ["b"], ["c"]]


async def test_an_engine_that_failed_computes_the_next_job(engine, metrics):
    async with opened(engine, metrics) as batcher:
        engine.let_go(2)
        with pytest.raises(EngineFailed):
            await ask(batcher, "bad")

        answer = await ask(batcher, "a")

    assert answer.result == "A"


async def test_the_jobs_of_one_request_come_in_together_or_not_at_all(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=4, max_queued_pairs=10)
    async with opened(engine, metrics, policy) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        tasks += await submit(batcher, "b", pairs=2)
        jobs = [(job, Size(3, 0)) for job in ("c", "d", "e")]

        with pytest.raises(Overloaded):
            await batcher.submit(jobs, deadline=Deadline.after(WAIT_S))
        together = asyncio.create_task(batcher.submit(jobs[:2], deadline=Deadline.after(WAIT_S)))
        engine.let_go(4)

        assert [answer.result for answer in await together] == ["C", "D"]
        assert await results_of(tasks) == ["A", "B"]


async def test_a_request_whose_job_fails_leaves_no_other_behind(engine, metrics):
    async with opened(engine, metrics) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        jobs = [(job, Size(1, 0)) for job in ("bad", "bad too", "c")]

        failing = asyncio.create_task(batcher.submit(jobs, deadline=Deadline.after(WAIT_S)))
        engine.let_go(100)

        with pytest.raises(EngineFailed):
            await failing
        assert await results_of(tasks) == ["A"]
        assert waiting(metrics) == (0, 0)


async def test_draining_finishes_what_was_accepted_and_refuses_the_rest(engine, metrics):
    policy = BatchPolicy(max_batch_pairs=1, max_queued_pairs=100)
    async with opened(engine, metrics, policy) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        tasks += await submit(batcher, "b", "c")

        draining = asyncio.create_task(batcher.drain())
        await checkpoint()
        with pytest.raises(NotReady):
            await ask(batcher, "d")
        finished_early = draining.done()
        engine.let_go(3)
        await draining

        assert not finished_early
        assert await results_of(tasks) == ["A", "B", "C"]
    assert engine.batches == [["a"], ["b"], ["c"]]


async def test_draining_an_idle_batcher_is_done_at_once_and_twice(engine, metrics):
    async with opened(engine, metrics) as batcher:
        await batcher.drain()
        await batcher.drain()

        with pytest.raises(NotReady):
            await ask(batcher, "a")


async def test_the_gauges_show_what_waits_and_the_histograms_what_was_computed(engine, metrics):
    async with opened(engine, metrics) as batcher:
        tasks = await keep_busy(batcher, engine, "a")
        tasks += await submit(batcher, "b", "c", pairs=300)

        seen = waiting(metrics)
        engine.let_go(2)
        await results_of(tasks)

        assert seen == (2, 600)
        assert waiting(metrics) == (0, 0)
    assert gauge(metrics, "ctr_batch_jobs_count") == 2
    assert gauge(metrics, "ctr_batch_jobs_sum") == 3
    assert gauge(metrics, "ctr_batch_cost_pairs_sum") == 601
