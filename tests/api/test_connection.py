"""Connections before the parts that break them: slow heads, silence, and a server that stops."""

import asyncio
import gc
import json
import socket
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from app.api.connection import Connection
from app.api.door import Door
from app.api.lifecycle import Lifecycle
from app.api.limits import RequestLimits
from app.errors import Overloaded
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from tests.api.raw_http import RawAnswer, parse
from tests.eventually import eventually_async

pytestmark = pytest.mark.anyio

WAIT_S = 30
SHORT_S = 0.05
TOO_MUCH = "x" * 2**24  # for the buffers of any socket
RANK = b"POST /v1/rank HTTP/1.1\r\nHost: us\r\nContent-Length: 8\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: us\r\n\r\n"


@dataclass
class Client:
    """A socket, and the service's side of it."""

    socket: socket.socket
    connection: Connection

    async def receives(self, *, end: bytes = b"answered") -> RawAnswer:
        """One answer, up to these bytes."""
        received = b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_S):
            while not received.endswith(end):
                chunk = await loop.sock_recv(self.socket, 2**16)
                assert chunk, received
                received += chunk
        return parse(received)

    async def receives_until_closed(self) -> bytes:
        received = b""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_S):
            while chunk := await loop.sock_recv(self.socket, 2**16):
                received += chunk
        return received


class ClosedDoor(Door):
    """Nobody comes in."""

    def __init__(self) -> None:
        limits = RequestLimits(2**20, 1.0, 100.0, 1000.0)
        super().__init__(Admission(threads=1), limits, Metrics(), loop_lag_s=lambda: 0.0)

    def enter(self, headers) -> NoReturn:
        raise Overloaded("full")


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle(shutdown_delay_s=0, shutdown_grace_s=WAIT_S)


@asynccontextmanager
async def connected(  # noqa: PLR0913 - every limit and every part can be chosen
    lifecycle: Lifecycle,
    *,
    head_timeout_s: float = WAIT_S,
    keep_alive_s: float = WAIT_S,
    answer_timeout_s: float = WAIT_S,
    answer: str = "answered",
    answering: asyncio.Event | None = None,
    door: object = None,
) -> AsyncIterator[Client]:
    """A client of an application that answers each request once `answering` is set."""

    async def application(scope, receive, send):
        if answering is not None:
            await answering.wait()
        await PlainTextResponse(answer)(scope, receive, send)

    application.door = door
    config = uvicorn.Config(application, log_config=None, lifespan="off", timeout_keep_alive=1)
    config.load()
    config.timeout_keep_alive = keep_alive_s  # uvicorn takes fractions, but does not say so
    state = ServerState()
    create = Connection.factory(
        lifecycle, head_timeout_s=head_timeout_s, answer_timeout_s=answer_timeout_s
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: create(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        await until(lambda: state.connections)
        (connection,) = state.connections
        yield Client(client, connection)
    server.close()
    await connection.lost.wait()
    for task in list(state.tasks):
        await task


async def until(condition: Callable[[], object]) -> None:
    async def is_true() -> bool:
        return bool(condition())

    await eventually_async(is_true)


async def test_a_request_that_has_just_arrived_when_it_stops_is_answered(lifecycle) -> None:
    async with connected(lifecycle) as client:
        client.socket.send(REQUEST)
        first = await client.receives()

        client.socket.send(REQUEST)  # not read yet: the loop has not turned
        lifecycle.stop()
        client.connection.shutdown()
        last = await client.receives()

        assert (first.status, first.headers.get("connection")) == (200, None)
        assert (last.status, last.headers["connection"]) == (200, "close")
        assert await client.receives_until_closed() == b""


async def test_who_has_just_connected_when_it_stops_may_still_ask(lifecycle) -> None:
    async with connected(lifecycle) as client:
        lifecycle.stop()
        client.connection.shutdown()
        client.socket.send(REQUEST)

        answer = await client.receives()

        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_connection_on_which_nothing_comes_is_closed_when_it_stops(lifecycle) -> None:
    async with connected(lifecycle) as client:
        client.socket.send(REQUEST)
        await client.receives()

        lifecycle.stop()
        client.connection.shutdown()

        assert await client.receives_until_closed() == b""


async def test_a_request_that_cannot_be_answered_in_time_is_told_so(lifecycle) -> None:
    answering = asyncio.Event()
    async with connected(lifecycle, answering=answering) as client:
        client.socket.send(REQUEST)
        await until(lambda: client.connection.tasks)

        client.connection.give_up()
        answering.set()
        answer = parse(await client.receives_until_closed())

        problem = json.loads(answer.content)
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert problem.keys() == {"type", "title", "status", "detail", "request_id"}


@pytest.mark.parametrize("pieces", [[REQUEST[:9]], [b"GET", b" /", b" HTTP/1.1\r\n", b"Host: us"]])
async def test_a_head_that_does_not_end_in_time_is_hung_up_on(lifecycle, pieces) -> None:
    async with connected(lifecycle, head_timeout_s=SHORT_S) as client:
        for piece in pieces:
            client.socket.send(piece)
            await asyncio.sleep(0)

        answer = parse(await client.receives_until_closed())

        assert answer.status == 408
        assert "did not end within" in json.loads(answer.content)["detail"]


async def test_bytes_that_begin_no_request_are_hung_up_on_as_well(lifecycle) -> None:
    async with connected(lifecycle, head_timeout_s=SHORT_S) as client:
        client.socket.send(b"\r\n\r\n")

        assert await client.receives_until_closed() == b""


async def test_silence_is_hung_up_on_after_the_keep_alive_time(lifecycle) -> None:
    async with connected(lifecycle, keep_alive_s=SHORT_S) as client:
        assert await client.receives_until_closed() == b""


async def test_a_slow_head_behind_a_request_waits_until_that_is_answered(lifecycle) -> None:
    answering = asyncio.Event()
    async with connected(lifecycle, head_timeout_s=SHORT_S, answering=answering) as client:
        client.socket.send(REQUEST + REQUEST[:9])
        await asyncio.sleep(3 * SHORT_S)
        answering.set()

        received = await client.receives_until_closed()

        assert received.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in received


async def test_a_head_in_two_pieces_is_answered_and_the_time_for_it_forgotten(lifecycle) -> None:
    answering = asyncio.Event()
    async with connected(lifecycle, head_timeout_s=SHORT_S, answering=answering) as client:
        client.socket.send(REQUEST[:9])
        await asyncio.sleep(0)
        client.socket.send(REQUEST[9:])
        await asyncio.sleep(3 * SHORT_S)
        answering.set()

        assert (await client.receives()).status == 200


async def test_who_was_refused_may_stay_for_as_long_as_anybody(lifecycle) -> None:
    async with connected(lifecycle, head_timeout_s=SHORT_S, door=ClosedDoor()) as client:
        client.socket.send(RANK + b"complete")
        refusal = await client.receives(end=b"}")
        await asyncio.sleep(3 * SHORT_S)
        client.socket.send(REQUEST)

        assert refusal.status == 429
        assert (await client.receives()).status == 200


async def test_who_is_refused_while_it_stops_is_hung_up_on_once_all_was_read(lifecycle) -> None:
    async with connected(lifecycle, door=ClosedDoor()) as client:
        lifecycle.stop()
        client.socket.send(RANK + b"half")
        refusal = await client.receives(end=b"}")
        client.socket.send(b"half")

        assert (refusal.status, refusal.headers["connection"]) == (429, "close")
        assert await client.receives_until_closed() == b""


async def test_a_body_that_nobody_waits_for_has_to_end_in_time(lifecycle) -> None:
    async with connected(lifecycle, head_timeout_s=SHORT_S, door=ClosedDoor()) as client:
        client.socket.send(RANK + b"half")
        await client.receives(end=b"}")

        assert await client.receives_until_closed() == b""


@pytest.mark.parametrize(
    "limits",
    [{"answer_timeout_s": SHORT_S}, {"keep_alive_s": SHORT_S}],
    ids=["while much of it waits", "once the connection is idle"],
)
async def test_a_client_that_does_not_read_its_answer_is_hung_up_on(lifecycle, limits) -> None:
    async with connected(lifecycle, answer=TOO_MUCH, **limits) as client:
        client.socket.send(REQUEST)

        async with asyncio.timeout(WAIT_S):
            await client.connection.lost.wait()

        assert len(await client.receives_until_closed()) < len(TOO_MUCH)


async def test_a_client_that_reads_late_gets_all_of_its_answer(lifecycle) -> None:
    async with connected(lifecycle, answer=TOO_MUCH + "end") as client:
        client.socket.send(REQUEST)
        await until(lambda: client.connection.flow.write_paused)

        answer = await client.receives(end=b"end")

        assert len(answer.content) == len(TOO_MUCH) + 3


@pytest.mark.parametrize("requests", [0, 1, 2])
async def test_a_connection_that_has_ended_is_freed_at_once(lifecycle, requests) -> None:
    answering = asyncio.Event()
    answering.set()
    gc.collect()
    gc.disable()  # reference counts have to do
    try:
        async with connected(lifecycle, answering=answering) as client:
            for _ in range(requests):
                client.socket.send(REQUEST)
                await client.receives()
            connection = weakref.ref(client.connection)
            lost = client.connection.lost
            client.socket.close()
            await lost.wait()
        del client
        await until(lambda: connection() is None)
    finally:
        gc.enable()
