"""Sentinels name the master: it is found, and found again after a failover, with one login each."""

from collections.abc import Iterator

import pytest

from app.features.redis_store import RedisStore, connect
from tests.eventually import eventually, eventually_async
from tests.features.histories import as_rows, history
from tests.features.redis_stores import open_store
from tests.redis_topologies import MASTER, SENTINEL_PASSWORD, Watched, watched_redis

pytestmark = pytest.mark.anyio


@pytest.fixture
def watched(tmp_path) -> Iterator[Watched]:
    with watched_redis(tmp_path) as running:
        yield running


def store_of(watched: Watched, *, timeout_s: float = 0.5) -> RedisStore:
    servers = connect(watched.url, timeout_s=timeout_s, sentinel_password=SENTINEL_PASSWORD)
    return RedisStore(servers, max_stored_behaviors=50)


async def test_the_master_is_found_and_found_again_when_it_is_lost(watched):
    store = store_of(watched)
    await store.replace({"user-1": history("a")})
    watched.wait_for_replica()
    (before,) = await store.read_histories(["user-1"])
    lost = watched.master()

    lost.kill()
    eventually(lambda: watched.master_port() != lost.port)

    async def answers() -> bool:
        (read,) = await store.read_histories(["user-1"])
        return read.problem is None

    waited_s = await eventually_async(answers)
    (after,) = await store.read_histories(["user-1"])
    stored = await store.append("user-1", history("b", first_second=2))
    await store.close()

    assert waited_s < 2
    assert as_rows(before.behaviors) == as_rows(after.behaviors) == as_rows(history("a"))
    assert stored == 2


@pytest.mark.chaos  # sentinels take ten seconds to tell the old master
async def test_a_planned_failover_is_followed_though_the_old_master_still_answers(watched):
    store = store_of(watched)
    await store.replace({"user-1": history("a")})
    watched.wait_for_replica()
    old, new = watched.master(), watched.replica()

    with watched.sentinels[0].client(password=SENTINEL_PASSWORD) as sentinel:
        sentinel.execute_command("SENTINEL FAILOVER", MASTER)
    eventually(lambda: watched.master_port() == new.port)
    with old.client() as client:
        eventually(lambda: client.info("replication")["role"] == "slave")

    async def can_append() -> bool:
        try:
            return await store.append("user-1", history("b")) > 1
        except Exception:  # noqa: BLE001 - whatever it is, it must end
            return False

    waited_s = await eventually_async(can_append)
    await store.close()

    assert waited_s < 2


async def test_one_sentinel_that_answers_is_enough(watched):
    for sentinel in watched.sentinels[:2]:
        sentinel.kill()
    store = store_of(watched)

    problem = await store.connection_problem()
    await store.close()

    assert problem is None


async def test_a_wrong_password_of_the_sentinels_finds_nobody(watched):
    async with open_store(watched.url) as store:
        assert await store.connection_problem() == "unreachable"


async def test_a_master_that_no_sentinel_knows_is_not_found(watched):
    url = watched.url.replace(f"/{MASTER}/", "/somebody/")
    servers = connect(url, timeout_s=5, sentinel_password=SENTINEL_PASSWORD)
    store = RedisStore(servers, max_stored_behaviors=50)

    problem = await store.connection_problem()
    await store.close()

    assert problem == "unreachable"
