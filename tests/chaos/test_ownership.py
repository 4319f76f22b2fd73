"""Whatever happens to questions and replies on their way: a history goes to its own user."""

import asyncio
import itertools
from collections import Counter

import numpy as np
import pytest

from app.core.deadline import Deadline
from app.core.request import Candidates, RankRequest
from app.core.schema import FeatureSchema, SparseField
from app.features.feature_reader import FeatureReader, RequestFeatures
from app.features.recent_histories import RecentHistories
from app.features.redis_store import RedisStore, connect
from app.monitoring.metrics import Metrics
from tests.chaos import fault_proxy as faults
from tests.chaos.conftest import Report
from tests.chaos.fault_proxy import Fault, FaultProxy
from tests.features.histories import as_rows, history
from tests.redis_process import RedisProcess

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.05
CALLERS = 100
GIVE_UP_SHARE = 0.3
DELAYED = Fault("delayed", latency_s=0.0005, jitter_s=0.002)
BETWEEN = [
    *(faults.CROSSED, faults.SWAPPED, faults.HALF_REPLIES, faults.RESETS),
    *(faults.slow(60), Fault("drip", drips_s=0.0002)),
]
SCHEMA = FeatureSchema(behavior_fields=(SparseField(name="item_id", embedding_dim=2, rows=9),))
ADS = Candidates(["ad-1"], [None], {"item_id": ["item-1"]})
USERS = [f"user-{number}" for number in range(500)]


class Callers:
    """Ask for random users, give some up, and check every answer."""

    def __init__(self, reader: FeatureReader, target: int) -> None:
        self._reader = reader
        self._target = target
        self._rng = np.random.default_rng(5)
        self.ends: Counter[str] = Counter()

    async def ask_until_enough(self) -> None:
        while self.ends["fresh"] < self._target:
            user_id = USERS[self._rng.integers(len(USERS))]
            request = RankRequest(user_id, ADS, profile={})
            asked = asyncio.create_task(self._reader.read(request, SCHEMA, Deadline.after(10)))
            if self._rng.random() < GIVE_UP_SHARE:
                await asyncio.sleep(self._rng.random() * 0.003)
                asked.cancel()
            await asyncio.wait([asked])
            if asked.cancelled():
                self.ends["given up"] += 1
            else:
                self._check(user_id, asked.result())
                if asked.result().problems:  # at once, while Redis is not waited for
                    await asyncio.sleep(0.01)

    def _check(self, user_id: str, features: RequestFeatures) -> None:
        has_none = features.problems and not features.stale_history
        expected = history() if has_none else history(f"only of {user_id}")
        assert as_rows(features.user.behaviors) == as_rows(expected)
        self.ends["none" if has_none else "stale" if features.stale_history else "fresh"] += 1


async def break_things(proxy: FaultProxy) -> None:
    for fault in itertools.cycle(BETWEEN):
        proxy.fault = DELAYED
        await asyncio.sleep(0.4)
        proxy.fault = fault
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "target", [3_000, pytest.param(50_000, marks=pytest.mark.chaos)], ids=["quick", "thorough"]
)
async def test_no_answer_has_anothers_history(
    redis: RedisProcess, proxy: FaultProxy, report: Report, target: int
) -> None:
    metrics = Metrics()
    servers = connect(proxy.url, timeout_s=TIMEOUT_S, metrics=metrics)
    store = RedisStore(servers, max_stored_behaviors=50)
    recent = RecentHistories(metrics, max_bytes=200_000, max_age_s=60)  # of half of the users
    reader = FeatureReader(store, metrics, timeout_s=TIMEOUT_S, recent=recent)
    direct = RedisStore(connect(redis.url, timeout_s=10), max_stored_behaviors=50)
    await direct.replace({user_id: history(f"only of {user_id}") for user_id in USERS})
    callers = Callers(reader, target)

    trouble = asyncio.create_task(break_things(proxy))
    await asyncio.gather(*(callers.ask_until_enough() for _ in range(CALLERS)))
    trouble.cancel()
    await asyncio.wait([trouble])
    for closing in (reader, store, direct):
        await closing.close()

    report.note(f"histories that were checked, all of their own user: {dict(callers.ends)}")
    assert callers.ends["fresh"] >= target
    assert callers.ends["given up"] > target / 20
