"""Where no more connections may be opened now, whoever asks waits for one that is in use."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import TimeoutError as RedisTimeout

from app.features.redis_address import parse_address
from app.features.redis_errors import REDIS_ERRORS, HeldBack
from app.features.redis_links import MAX_LINKS, RedisLinks
from app.monitoring.metrics import Metrics
from tests.eventually import eventually_async
from tests.features.redis_stores import IMPATIENT_S, PATIENT_S
from tests.features.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.anyio

PING = [("PING",)]
PONG = b"+PONG\r\n"


@asynccontextmanager
async def one_link_left(
    server: ScriptedServer, clock: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[RedisLinks]:
    """All but one of the connections that are allowed were made and lost; time stands still."""
    address = parse_address(server.url)
    (place,) = address.places
    links = RedisLinks(place, address.login, Metrics(), clock=clock)
    server.answers = [b""] * (MAX_LINKS - 1)
    try:
        for _ in range(MAX_LINKS - 1):
            with pytest.raises(REDIS_ERRORS):
                await links.round_trip(PING, PATIENT_S)
        yield links
    finally:
        await links.close()


async def has_received(server: ScriptedServer, chunks: int) -> bool:
    return len(server.received) == chunks


async def test_a_connection_in_use_is_waited_for():
    async with scripted_server() as server, one_link_left(server) as links:
        server.answers = [PONG] * 20

        asked = (links.round_trip(PING, PATIENT_S) for _ in range(20))
        replies = await asyncio.gather(*asked)

        assert replies == [[b"PONG"]] * 20
        assert server.connections == MAX_LINKS


async def test_who_asks_all_the_time_leaves_the_connection_to_others():
    order = []

    async def ask(links: RedisLinks, name: str, times: int) -> None:
        for _ in range(times):
            await links.round_trip(PING, PATIENT_S)
            order.append(name)

    async with scripted_server() as server, one_link_left(server) as links:
        server.answers = [PONG] * 22

        await asyncio.gather(ask(links, "busy", 20), ask(links, "other", 2))

    assert order[:4] == ["busy", "other", "busy", "other"]


async def test_nobody_waits_for_a_connection_that_was_lost():
    async with scripted_server() as server, one_link_left(server) as links:
        server.answers = [b""]

        asked = (links.round_trip(PING, PATIENT_S) for _ in range(2 * MAX_LINKS))
        lost, *others = await asyncio.gather(*asked, return_exceptions=True)

        assert isinstance(lost, REDIS_ERRORS)
        assert not isinstance(lost, HeldBack)
        assert all(isinstance(other, HeldBack) for other in others)
        assert server.connections == MAX_LINKS


async def test_a_connection_in_use_is_waited_for_no_longer_than_for_a_reply():
    async with scripted_server() as server, one_link_left(server) as links:
        hanging = asyncio.create_task(links.round_trip(PING, PATIENT_S))
        await asyncio.sleep(0)  # it begins

        with pytest.raises(RedisTimeout):
            await links.round_trip(PING, IMPATIENT_S)

        hanging.cancel()
        await asyncio.wait([hanging])


async def test_a_connection_that_may_be_opened_again_is_not_waited_for():
    now_s = 0.0
    async with scripted_server() as server, one_link_left(server, lambda: now_s) as links:
        hanging = asyncio.create_task(links.round_trip(PING, PATIENT_S))
        await eventually_async(lambda: has_received(server, MAX_LINKS))
        server.answers = [PONG] * 2
        now_s = 0.999

        waiting = [asyncio.create_task(links.round_trip(PING, PATIENT_S)) for _ in range(2)]
        await asyncio.sleep(0)  # they begin, and may open none yet
        now_s = 1.0
        replies = await asyncio.gather(*waiting)

        assert replies == [[b"PONG"]] * 2
        assert not hanging.done()
        hanging.cancel()
        await asyncio.wait([hanging])
