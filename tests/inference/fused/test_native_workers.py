"""The kernel's own threads give the scores of a call that waits, and tell the loop of each."""

import asyncio

import pytest

from app.inference.fused.native_workers import NativeWorkers
from app.kernels.library import load_kernel
from tests.fakes import WAIT_S
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import WIDE, fused
from tests.kernels.compiler import needs_compiler

pytestmark = [needs_compiler, pytest.mark.anyio]


@pytest.mark.parametrize("threads", [1, 3])
async def test_each_batch_gets_the_scores_of_a_call_that_waits(threads):
    runtime = fused(WIDE)
    batches = [ragged(draw_batch([9, 4], [0, 1, 1] * 7, seed=seed)) for seed in range(20)]
    workers = runtime.open_workers(threads, "wide")

    async def score_beside(batch):
        work, done = runtime.prepare(batch), asyncio.Event()
        took: list[tuple[Exception | None, float]] = []
        workers.start(work, lambda *end: (took.append(end), done.set()))
        await done.wait()
        return work.scores(), took

    async with asyncio.timeout(WAIT_S):
        answers = await asyncio.gather(*map(score_beside, batches))
    workers.close()

    for batch, (scores, took) in zip(batches, answers, strict=True):
        expected = runtime.score(batch)
        assert scores.logits_C.tolist() == expected.logits_C.tolist()
        assert scores.attention_CT.tolist() == expected.attention_CT.tolist()
        assert [failure for failure, _ in took] == [None]
        assert took[0][1] > 0


async def test_threads_without_work_can_be_closed_twice():
    workers = NativeWorkers(load_kernel(), 2)

    workers.close()
    workers.close()
