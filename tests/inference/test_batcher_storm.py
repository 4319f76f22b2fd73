"""A thousand jobs whose clients come, wait, lose patience and leave, in a random order."""

import asyncio

import numpy as np
import pytest

from app.errors import CtrError, DeadlineExceeded, EngineFailed, Overloaded
from app.inference.batch_policy import BatchPolicy
from app.monitoring.metrics import Metrics
from tests.fakes import WAIT_S, HeldEngine, ask, held_batcher

pytestmark = pytest.mark.anyio

JOBS = 1_000


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
async def test_every_result_belongs_to_its_job_and_nothing_is_left(threads, seed):
    random = np.random.default_rng(seed)
    engine, metrics = HeldEngine(), Metrics()
    engine.let_go(100 * JOBS)
    policy = BatchPolicy(max_batch_pairs=40, max_queued_pairs=2_000)
    batcher = held_batcher(engine, policy, metrics, threads=threads)
    tasks: list[asyncio.Task[str]] = []

    async def ask_and_leave(job: str, pairs: int, within_s: float) -> str:
        try:
            answer = await ask(batcher, job, pairs=pairs, within_s=within_s)
        except CtrError as error:
            return type(error).__name__
        finally:
            tasks[random.integers(len(tasks))].cancel()
        assert answer.result == job.upper()
        return "answered"

    for number in range(JOBS):
        kind = random.choice(["job", "bad"], p=[0.95, 0.05])
        within_s = random.choice([0.0, 0.001, WAIT_S], p=[0.1, 0.1, 0.8])
        asked = ask_and_leave(f"{kind}-{number}", int(random.integers(1, 20)), within_s)
        tasks.append(asyncio.create_task(asked))
        if random.random() < 0.1:
            await asyncio.sleep(0)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    await batcher.drain()

    left = [end if isinstance(end, str) else type(end).__name__ for end in ends]
    expected = {"answered", "CancelledError"} | {
        error.__name__ for error in (DeadlineExceeded, EngineFailed, Overloaded)
    }
    assert set(left) <= expected
    assert {"answered", "CancelledError", "DeadlineExceeded"} <= set(left)
    for gauge in ("ctr_queue_jobs", "ctr_queue_cost_pairs"):
        assert metrics.registry.get_sample_value(gauge, {"model": "fake"}) == 0
