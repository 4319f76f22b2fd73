"""A Redis that is gone, silent or back again: reads answer with the reason, in their own time."""

import asyncio

import numpy as np
import pytest

from tests.eventually import eventually_async
from tests.features.histories import as_rows, history
from tests.features.redis_stores import (
    IMPATIENT_S,
    open_store,
    raw_client,
    redis_at,
    silent_server,
    url_where_nothing_listens,
)

pytestmark = pytest.mark.anyio


async def problems(store) -> set[str | None]:
    """Of two keys of each kind."""
    reads = [
        *await store.read_histories(["user-1", "user-2"]),
        *await store.read_profiles(["user-1", "user-2"]),
        *await store.read_ads(["ad-1", "ad-2"]),
    ]
    assert len(reads) == 6
    return {read.problem for read in reads}


async def has_no_problem(store) -> bool:
    return await problems(store) == {None}


async def test_a_redis_that_nobody_runs_is_unreachable():
    async with open_store(url_where_nothing_listens()) as store:
        assert await store.connection_problem() == "unreachable"
        assert await problems(store) == {"unreachable"}


async def test_a_host_that_does_not_exist_is_unreachable():
    async with open_store("unix:///nowhere/redis.sock") as store:
        assert await problems(store) == {"unreachable"}


async def test_a_redis_that_never_answers_is_a_timeout():
    async with silent_server() as url, open_store(url, timeout_s=IMPATIENT_S) as store:
        assert await problems(store) == {"timeout"}
        assert await store.connection_problem() == "timeout"


async def test_a_redis_that_refuses_every_command_is_a_redis_error(redis_url):
    with raw_client(redis_url) as redis:
        redis.acl_setuser("nobody", enabled=True, passwords=["+secret"], commands=["-@all"])
        url = redis_url.replace("unix://", "unix://nobody:secret@")

        async with open_store(url) as store:
            assert await problems(store) == {"redis_error"}

        redis.acl_deluser("nobody")


async def test_reads_work_again_once_redis_is_back(tmp_path):
    socket_path = tmp_path / "redis.sock"
    async with open_store(f"unix://{socket_path}") as store:
        with redis_at(socket_path):
            before = await problems(store)
        down = await problems(store)
        with redis_at(socket_path):
            waited_s = await eventually_async(lambda: has_no_problem(store))
            back = await problems(store)
            appended = await store.append("user-1", history("a"))

    assert (before, down, back) == ({None}, {"unreachable"}, {None})
    assert waited_s < 2
    assert appended == 1


async def test_abandoned_reads_leave_no_reply_behind_for_others(redis_url):
    users = [f"user-{number}" for number in range(20)]
    random = np.random.default_rng(7)
    async with open_store(redis_url) as store:
        await store.replace({user_id: history(f"item of {user_id}") for user_id in users})
        tasks: list[asyncio.Task[None]] = []

        async def read(user_id: str) -> None:
            (answer,) = await store.read_histories([user_id])
            tasks[random.integers(len(tasks))].cancel()
            # Who gives up costs a connection, and there are only so many in a second.
            if answer.problem is None:
                assert as_rows(answer.behaviors) == as_rows(history(f"item of {user_id}"))
                answered.append(user_id)

        answered: list[str] = []
        tasks += [
            asyncio.create_task(read(users[n])) for n in random.integers(len(users), size=500)
        ]
        ends = await asyncio.gather(*tasks, return_exceptions=True)

    cancelled = sum(isinstance(end, asyncio.CancelledError) for end in ends)
    assert 0 < cancelled < len(ends)
    assert ends.count(None) == len(ends) - cancelled
    assert answered
