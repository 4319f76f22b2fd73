"""A batch in line that nobody waits for any more is not computed, by the real library."""

import asyncio
from functools import partial

import pytest
from anyio.lowlevel import checkpoint

from app.core.deadline import Deadline
from app.errors import DeadlineExceeded
from app.inference.batch_policy import BatchPolicy
from app.inference.batcher import Batcher
from app.inference.cost_model import CostModel, Size
from app.inference.fused.native_workers import NativeWorkers
from app.inference.fused.runtime import KeptStates
from app.inference.fused.user_state_cache import UserStateCache
from app.kernels.library import load_kernel
from app.monitoring.metrics import Metrics
from tests.fakes import WAIT_S
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import WIDE, fused
from tests.kernels.compiler import needs_compiler

pytestmark = [needs_compiler, pytest.mark.anyio]

SIZE = Size(3, 4)
BATCH = ragged(draw_batch([4], [0, 0, 0]))


class OnlyALine(NativeWorkers):
    """Whatever is started stays in line: there is no thread to compute it."""

    def __init__(self) -> None:
        super().__init__(load_kernel(), 0)
        self.threads = 1  # as far as the batcher knows


class Prepared:
    """A batch of jobs that are users, all with the same history."""

    def __init__(self, runtime, users) -> None:
        self._users = users
        self.work = runtime.prepare(BATCH, users)

    def results(self):
        scores = self.work.scores()
        return [scores for _ in self._users]


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def costs():
    return CostModel([(SIZE, 1e-3)])


@pytest.fixture
def kept(metrics):
    return KeptStates(UserStateCache(2**20, metrics), "wide@1")


@pytest.fixture
def batcher(kept, costs, metrics):
    prepare = partial(Prepared, fused(WIDE, kept=kept))
    policy = BatchPolicy(max_batch_pairs=1_000, max_queued_pairs=1_000)
    return Batcher(prepare, OnlyALine(), policy, costs, metrics, name="wide")


async def submit(batcher, *users, within_s=WAIT_S):
    """Tasks whose jobs are one batch, in line."""
    deadline = Deadline.after(within_s)
    tasks = [
        asyncio.create_task(batcher.submit([(user, SIZE)], deadline=deadline)) for user in users
    ]
    await checkpoint()
    await checkpoint()
    return tasks


async def test_it_leaves_as_if_it_had_never_been_there(batcher, kept, costs):
    cost_s = costs.predict_s([SIZE])
    tasks = await submit(batcher, "user-1", "user-2")
    for task in tasks:
        task.cancel()

    async with asyncio.timeout(WAIT_S):
        await asyncio.wait(tasks)
        await batcher.drain()  # waits for every batch that is under way

    assert all(task.cancelled() for task in tasks)
    assert kept.cache.find("wide@1", "user-1", BATCH.behaviors_NF.tobytes()) is None
    assert costs.predict_s([SIZE]) == cost_s


async def test_it_leaves_when_its_deadline_has_passed(batcher):
    (task,) = await submit(batcher, "user-1", within_s=0.01)

    async with asyncio.timeout(WAIT_S):
        with pytest.raises(DeadlineExceeded):
            await task
        await batcher.drain()


async def test_it_stays_for_the_last_one_who_waits(batcher):
    leaving, waiting = await submit(batcher, "user-1", "user-2")
    leaving.cancel()
    await asyncio.wait([leaving])
    draining = asyncio.create_task(batcher.drain())
    await checkpoint()
    assert not draining.done()

    waiting.cancel()
    async with asyncio.timeout(WAIT_S):
        await draining


async def test_its_place_is_taken_by_whoever_is_next(batcher):
    in_line = [*await submit(batcher, "user-1"), *await submit(batcher, "user-2")]
    behind = await submit(batcher, "user-3")
    assert batcher.queued_jobs == 1

    in_line[0].cancel()
    for _ in range(3):
        await checkpoint()

    assert batcher.queued_jobs == 0
    for task in (*in_line, *behind):
        task.cancel()
    async with asyncio.timeout(WAIT_S):
        await batcher.drain()


@pytest.mark.parametrize("threads", [1, 3])
async def test_every_batch_is_either_withdrawn_or_finished(threads):
    runtime = fused(WIDE)
    works = [
        runtime.prepare(ragged(draw_batch([9, 4], [0, 1, 1] * 7, seed=seed))) for seed in range(60)
    ]
    workers = runtime.open_workers(threads, "wide")
    finished, all_done = set(), asyncio.Event()

    def note(work, *_):
        finished.add(work)
        if len(finished) + len(withdrawn) == len(works):
            all_done.set()

    for work in works:
        workers.start(work, partial(note, work))
    withdrawn = {work for work in works[::-2] if workers.withdraw(work)}
    async with asyncio.timeout(WAIT_S):
        await all_done.wait()
    workers.close()

    assert not finished & withdrawn
    assert finished | withdrawn == set(works)
    assert all((work.task.seconds > 0) == (work in finished) for work in works)
