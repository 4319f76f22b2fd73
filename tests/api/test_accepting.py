"""Many clients that connect at once."""

import asyncio
import socket
from contextlib import ExitStack, closing

import uvloop

from app.api.lifecycle import Lifecycle
from app.api.server import ACCEPTED_PER_TURN, Server, bind

CLIENTS = 4 * ACCEPTED_PER_TURN
TURNS = 12  # of the event loop


async def nothing(_scope, _receive, _send) -> None:
    """Is not asked."""


async def accepted_within(turns: int, listener: socket.socket) -> int:
    server = Server.of(
        nothing,
        Lifecycle(shutdown_delay_s=0, shutdown_grace_s=1),
        head_timeout_s=1,
        answer_timeout_s=1,
    )
    server.config.lifespan = "off"
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listener])
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            clients.enter_context(socket.create_connection(listener.getsockname()))
        for _ in range(turns):
            await asyncio.sleep(0)
        accepted = len(server.server_state.connections)
    await server.shutdown([listener])
    return accepted


def test_they_do_not_wait_for_a_turn_of_the_loop_each() -> None:
    with (
        closing(bind("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        assert runner.run(accepted_within(TURNS, listener)) == CLIENTS
