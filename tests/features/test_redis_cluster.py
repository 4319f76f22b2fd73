"""A cluster: a round trip to each node, keys that move are followed, a lost node costs its own."""

import asyncio
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from app.features.behavior_codec import pack, redis_key
from app.features.redis_address import parse_address
from app.features.redis_servers import RedisServers
from app.monitoring.metrics import Metrics
from tests.eventually import eventually, eventually_async
from tests.features.histories import as_rows, history
from tests.features.redis_stores import open_store, url_where_nothing_listens
from tests.redis_process import redis_process
from tests.redis_topologies import Cluster, redis_cluster

pytestmark = pytest.mark.anyio

USERS = [f"user-{number}" for number in range(300)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def slot_of(user_id: str) -> int:
    return key_slot(redis_key(user_id).encode())


async def test_everything_that_is_written_is_read_back(cluster):
    async with open_store(cluster.url) as store:
        assert await store.connection_problem() is None
        await store.replace({user_id: history(user_id) for user_id in USERS})
        await asyncio.gather(*(store.append(u, history("b", first_second=2)) for u in USERS))
        reads = await store.read_histories([*USERS, "cold"])
        profiles = await store.read_profiles(USERS)

    for user_id, read in zip(USERS, reads, strict=False):
        assert read.problem is None
        assert as_rows(read.behaviors) == as_rows(history(user_id, "b"))
    assert (len(reads[-1].behaviors), reads[-1].problem) == (0, None)
    assert {profile.problem for profile in profiles} == {None}


async def test_a_read_of_many_is_one_round_trip_to_each_node(cluster):
    metrics = Metrics()
    servers = RedisServers(parse_address(cluster.url), metrics, timeout_s=30)
    keys = [redis_key(user_id) for user_id in USERS]
    await servers.ask_each(keys, [("GET", key) for key in keys])
    before = [commands_of(node) for node in cluster.nodes]

    await servers.ask_each(keys, [("GET", key) for key in keys])
    after = [commands_of(node) for node in cluster.nodes]
    await servers.close()

    assert sum(after) - sum(before) == len(USERS)  # and no look for where they are
    # A connection to each node, and one to whoever named the slots.
    assert metrics.registry.get_sample_value("ctr_redis_connects_total", {"result": "opened"}) == 4


def commands_of(node) -> int:
    with node.client() as client:
        return client.info("commandstats").get("cmdstat_get", {}).get("calls", 0)


async def test_a_value_of_another_type_is_one_users(cluster):
    spoiled = USERS[0]
    node = cluster.node_of_slot(slot_of(spoiled))
    async with open_store(cluster.url) as store:
        await store.replace({user_id: history(user_id) for user_id in USERS})
        with node.client() as client:
            client.delete(redis_key(spoiled))
            client.rpush(redis_key(spoiled), "value")
        reads = await store.read_histories(USERS)
        with node.client() as client:
            client.delete(redis_key(spoiled))

    assert reads[0].problem == "wrong_type"
    assert {read.problem for read in reads[1:]} == {None}


async def test_a_slot_that_moves_is_followed_while_and_after_it_moves(cluster):
    user_id = USERS[1]
    slot, key = slot_of(user_id), redis_key(user_id)
    source = cluster.node_of_slot(slot)
    target = next(node for node in cluster.nodes if node is not source)
    with source.client() as old, target.client() as new:
        ids = [client.execute_command("CLUSTER MYID") for client in (old, new)]

        def move(start_id: bytes, end_id: bytes, start, end, port: int) -> None:
            end.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", start_id)
            start.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", end_id)
            start.execute_command("MIGRATE", "127.0.0.1", port, key, 0, 5000)

        def settle(owner_id: bytes) -> None:
            for node in cluster.nodes:
                with node.client() as client:
                    client.execute_command("CLUSTER SETSLOT", slot, "NODE", owner_id)

        async with open_store(cluster.url) as store:
            await store.replace({user_id: history("a")})
            move(*ids, old, new, target.port)
            while_it_moves = await store.read_histories([user_id])
            settle(ids[1])
            after = [await store.read_histories([user_id]) for _ in range(3)]
            move(*reversed(ids), new, old, source.port)
            settle(ids[0])
            back = await store.read_histories([user_id])

    for (read,) in (while_it_moves, *after, back):
        assert read.problem is None
        assert as_rows(read.behaviors) == as_rows(history("a"))


async def test_a_history_of_somebody_else_is_never_taken(cluster):
    with cluster.node_of_slot(slot_of("user-1")).client() as client:
        client.set(redis_key("user-1"), pack("user-2", history("a")))
    async with open_store(cluster.url) as store:
        (read,) = await store.read_histories(["user-1"])

    assert (read.problem, len(read.behaviors)) == ("foreign_user", 0)


async def test_nodes_that_nobody_runs_are_unreachable():
    nowhere = url_where_nothing_listens().replace("redis://", "redis+cluster://")
    async with open_store(nowhere) as store:
        reads = [await store.read_histories(["user-1"]) for _ in range(2)]
        assert await store.connection_problem() == "circuit_open"

    assert [read.problem for (read,) in reads] == ["unreachable", "circuit_open"]


async def test_a_server_that_is_no_cluster_is_not_taken_for_one(tmp_path):
    with redis_process(tmp_path / "single") as single:
        url = single.url.replace("redis://", "redis+cluster://")
        async with open_store(url) as store:
            assert await store.connection_problem() == "unreachable"


async def test_a_lost_node_costs_the_keys_that_it_has_and_no_others(tmp_path):
    with redis_cluster(tmp_path / "cluster") as own:
        lost = own.nodes[2]
        async with open_store(own.url, timeout_s=0.5) as store:
            await store.replace({user_id: history(user_id) for user_id in USERS})
            lost.kill()
            for _ in range(10):
                reads = dict(zip(USERS, await store.read_histories(USERS), strict=True))
                for user_id, read in reads.items():
                    on_lost = own.node_of_slot(slot_of(user_id)) is lost
                    assert (read.problem is not None) == on_lost
                    expected = [] if on_lost else as_rows(history(user_id))
                    assert as_rows(read.behaviors) == expected
            problems = {read.problem for read in reads.values()} - {None}
            lost.start()
            with lost.client() as client:  # which refuses everything for two seconds after a start
                eventually(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")

            async def all_answer() -> bool:
                return {read.problem for read in await store.read_histories(USERS)} == {None}

            waited_s = await eventually_async(all_answer)

    assert problems == {"circuit_open"}
    assert waited_s < 2
