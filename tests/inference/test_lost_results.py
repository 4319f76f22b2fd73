"""An engine that gives back too few results is found out at once, and nobody gets another's."""

import asyncio

import pytest

from app.errors import EngineFailed
from app.inference.batch_policy import BatchPolicy
from app.monitoring.metrics import Metrics
from tests.fakes import WAIT_S, HeldEngine, ask, held_batcher

pytestmark = pytest.mark.anyio

POLICY = BatchPolicy(max_batch_pairs=1_000, max_queued_pairs=1_000)
HOUR_S = 3600.0


async def test_the_others_are_answered_and_nobody_waits_in_vain_for_a_lost_result():
    engine = HeldEngine()
    batcher = held_batcher(engine, POLICY, Metrics())
    engine.let_go(5)
    async with asyncio.timeout(WAIT_S):
        outcomes = await asyncio.gather(
            *(ask(batcher, job, within_s=HOUR_S) for job in ("first", "lost", "last")),
            return_exceptions=True,
        )
        await batcher.drain()

    first, lost, last = outcomes
    assert (first.result, last.result) == ("FIRST", "LAST")
    assert isinstance(lost, EngineFailed)
    assert engine.batches == [["first", "lost", "last"], ["first"], ["lost"], ["last"]]
