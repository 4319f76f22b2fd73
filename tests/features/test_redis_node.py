"""A server in trouble: nobody waits for it, it is not stormed, and it is found when it is back."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from app.features.circuit_breaker import FAILURES_TO_OPEN, Circuit
from app.features.redis_address import parse_address
from app.features.redis_errors import REDIS_ERRORS, CircuitOpen, HeldBack
from app.features.redis_links import MAX_LINKS
from app.features.redis_node import RedisNode
from app.monitoring.metrics import Metrics
from tests.eventually import eventually_async
from tests.features.redis_stores import (
    IMPATIENT_S,
    PATIENT_S,
    redis_at,
    silent_server,
    url_where_nothing_listens,
)
from tests.features.scripted_server import scripted_server

pytestmark = pytest.mark.anyio

PING = [("PING",)]


@asynccontextmanager
async def node_at(
    url: str,
    metrics: Metrics | None = None,
    *,
    timeout_s: float = PATIENT_S,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[RedisNode]:
    address = parse_address(url)
    (place,) = address.places
    node = RedisNode(place, address.login, metrics or Metrics(), timeout_s=timeout_s, clock=clock)
    try:
        yield node
    finally:
        await node.close()


async def failures(node: RedisNode, count: int) -> list[str]:
    """The names of the errors that so many questions end with."""
    names = []
    for _ in range(count):
        with pytest.raises(REDIS_ERRORS) as error:
            await node.ask(PING)
        names.append(error.type.__name__)
    return names


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def connects(metrics: Metrics, result: str) -> float:
    return sample(metrics, "ctr_redis_connects_total", result=result)


async def answers(node: RedisNode) -> bool:
    try:
        return await node.ask(PING) == [b"PONG"]
    except REDIS_ERRORS:
        return False


async def test_questions_one_after_the_other_share_a_connection(redis_url):
    metrics = Metrics()
    async with node_at(redis_url, metrics) as node:
        for _ in range(100):
            await node.ask(PING)

    assert connects(metrics, "opened") == 1


async def test_questions_at_the_same_time_open_no_more_connections_than_allowed(redis_url):
    metrics = Metrics()
    async with node_at(redis_url, metrics) as node:
        asked = (node.ask([("ECHO", number)]) for number in range(500))
        replies = await asyncio.gather(*asked)

    assert replies == [[str(number).encode()] for number in range(500)]
    assert connects(metrics, "opened") == MAX_LINKS


async def test_after_failures_in_a_row_the_server_is_not_asked():
    async with scripted_server() as server, node_at(server.url, timeout_s=IMPATIENT_S) as node:
        timeouts = await failures(node, FAILURES_TO_OPEN)
        received = len(server.received)

        refusals = await failures(node, 100)

        assert timeouts == [RedisTimeout.__name__] * FAILURES_TO_OPEN
        assert refusals == [CircuitOpen.__name__] * 100
        assert len(server.received) == received


async def test_an_error_reply_is_an_answer_and_opens_nothing(redis_url):
    async with node_at(redis_url) as node:
        for _ in range(2 * FAILURES_TO_OPEN):
            (reply,) = await node.ask([("NO", "SUCH", "COMMAND")])
            assert isinstance(reply, RedisError)

        assert await node.ask(PING) == [b"PONG"]


async def test_a_server_that_is_back_is_found_without_any_question(tmp_path):
    metrics = Metrics()
    socket = tmp_path / "redis.sock"
    async with node_at(f"unix://{socket}", metrics) as node:
        assert len(await failures(node, FAILURES_TO_OPEN)) == FAILURES_TO_OPEN
        with redis_at(socket):

            async def is_on_probation() -> bool:
                state = sample(metrics, "ctr_redis_circuit_state", node=str(socket))
                return state == Circuit.HALF_OPEN

            waited_s = await eventually_async(is_on_probation)
            answer = await node.ask(PING)

    assert waited_s < 2
    assert answer == [b"PONG"]
    for state in ("open", "half_open", "closed"):
        assert sample(metrics, "ctr_redis_circuit_changes_total", state=state) == 1


async def test_questions_at_the_same_time_share_the_one_connection_that_found_the_server(tmp_path):
    metrics = Metrics()
    socket = tmp_path / "redis.sock"
    now_s = 0.0
    async with node_at(f"unix://{socket}", metrics, clock=lambda: now_s) as node:
        await failures(node, 1)
        now_s = 0.5
        await failures(node, FAILURES_TO_OPEN - 1)

        async def may_not_connect() -> bool:
            return connects(metrics, "held_back") > 0

        async def is_on_probation() -> bool:
            state = sample(metrics, "ctr_redis_circuit_state", node=str(socket))
            return state == Circuit.HALF_OPEN

        await eventually_async(may_not_connect)
        with redis_at(socket):
            now_s = 1.0  # the first attempt is forgotten, the others are not
            await eventually_async(is_on_probation)
            answers = await asyncio.gather(*(node.ask(PING) for _ in range(3)))

    assert answers == [[b"PONG"]] * 3
    assert connects(metrics, "opened") == 1
    assert sample(metrics, "ctr_redis_circuit_changes_total", state="open") == 1
    assert sample(metrics, "ctr_redis_circuit_changes_total", state="closed") == 1


async def test_a_server_that_loads_its_data_is_not_back_yet():
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    hang_ups = [b""] * FAILURES_TO_OPEN
    metrics = Metrics()
    async with (
        scripted_server([*hang_ups, loading, loading, b"+PONG\r\n", b"+PONG\r\n"]) as server,
        node_at(server.url, metrics) as node,
    ):
        await failures(node, FAILURES_TO_OPEN)
        await eventually_async(lambda: answers(node))

        assert len(server.received) == FAILURES_TO_OPEN + 4
    assert sample(metrics, "ctr_redis_circuit_changes_total", state="half_open") == 1


async def test_a_connection_that_timed_out_is_never_used_again():
    async with scripted_server() as server, node_at(server.url, timeout_s=IMPATIENT_S) as node:
        await failures(node, 2)
        server.answers = [b"+PONG\r\n"]

        assert await node.ask(PING) == [b"PONG"]
        assert server.connections == 3


async def test_a_server_that_always_hangs_up_is_connected_to_no_more_often_than_allowed():
    metrics = Metrics()
    now_s = 0.0
    async with (
        scripted_server([b"+PONG\r\n", b""] * 1000) as server,
        node_at(server.url, metrics, clock=lambda: now_s) as node,
    ):
        # Every second question succeeds, so the circuit stays closed.
        ends = [await answers(node) for _ in range(MAX_LINKS * 2)]
        refused = await failures(node, 2 * FAILURES_TO_OPEN)
        within_a_second = server.connections
        now_s = 1.0
        answer = await node.ask(PING)

    assert ends == [True, False] * MAX_LINKS
    assert refused == [HeldBack.__name__] * 2 * FAILURES_TO_OPEN  # which opens no circuit
    assert within_a_second == MAX_LINKS
    assert connects(metrics, "held_back") == 2 * FAILURES_TO_OPEN
    assert answer == [b"PONG"]


async def test_attempts_to_connect_are_counted_by_what_came_of_them():
    metrics = Metrics()
    async with node_at(url_where_nothing_listens(), metrics) as node:
        await failures(node, FAILURES_TO_OPEN)

    assert connects(metrics, "failed") == FAILURES_TO_OPEN
    assert connects(metrics, "opened") == 0


async def test_closing_ends_a_search_for_the_server():
    async with silent_server() as url:
        async with node_at(url, timeout_s=IMPATIENT_S) as node:
            await failures(node, FAILURES_TO_OPEN)
        left = [task for task in asyncio.all_tasks() if "probe" in repr(task)]

    assert left == []
