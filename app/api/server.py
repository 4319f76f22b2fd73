"""The process that listens: a bound socket, and a uvicorn that stops without losing anybody."""

import asyncio
import gc
import logging
import os
import selectors
import signal
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from app.api.connection import Connection
from app.api.lifecycle import ENGINES_SHARE, REQUESTS_SHARE, Lifecycle
from app.errors import StartupRefused

PORT_SETTING = "CTR_PORT"
KEEP_ALIVE_S = 75  # longer than a load balancer's 60, so that it is never us who hangs up first
# libuv accepts one connection per turn of the loop and descriptor, so that of 700 clients that came
# at once while turns took 10 ms the last ones waited for four seconds.
ACCEPTED_PER_TURN = 16
MAX_TURNS = 100  # of the event loop, in each of which it accepts whoever waits
KILLED_BY = 128  # exit statuses of processes that a signal ended begin here

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Says where it listens, and returns after SIGTERM so that whoever runs it can clean up.

    Stopping: first only readiness says so, and connections end with their next answer; load
    balancers look elsewhere. Then nobody new is let in, what is under way is answered, and the
    application closes what it has opened. A second signal ends the process where it stands.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._further_ears: list[socket.socket] = []  # further descriptors of the same sockets

    @classmethod
    def of(
        cls,
        service: ASGIApp,
        lifecycle: Lifecycle,
        *,
        head_timeout_s: float,
        answer_timeout_s: float,
    ) -> "Server":
        config = uvicorn.Config(
            service,
            http=Connection.factory(
                lifecycle, head_timeout_s=head_timeout_s, answer_timeout_s=answer_timeout_s
            ),
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nothing here asks who the client is
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        return cls(config, lifecycle)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        addresses = [_accept(listener, self.config.backlog) for listener in sockets or ()]
        self._further_ears = [
            listener.dup() for listener in sockets or () for _ in range(1, ACCEPTED_PER_TURN)
        ]
        await super().startup([*sockets, *self._further_ears] if sockets else None)
        _never_collect_what_is_here()
        for host, port in addresses:
            log.info("listening", extra={"host": host, "port": port})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Only sets what others read: it may have interrupted anything, a log line too."""
        if self._lifecycle.is_stopping:
            os._exit(KILLED_BY + sig)
        if sig == signal.SIGTERM:
            self._lifecycle.stop()
            self.should_exit = True  # uvicorn would raise the signal again and end the process
        else:
            self._lifecycle.stop_unnoticed()
            super().handle_exit(sig, frame)

    async def main_loop(self) -> None:
        await super().main_loop()
        log.info("stopping")
        await asyncio.sleep(self._lifecycle.still_listens_s())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._lifecycle.stop_unnoticed()  # unless a signal has done it
        await _let_in_who_waits(sockets or [])
        for server in self.servers:
            server.close()
        for listener in [*(sockets or []), *self._further_ears]:
            listener.close()
        for connection in self._connections():
            connection.shutdown()
        await self._finish_requests()
        await self.lifespan.shutdown()

    async def _finish_requests(self) -> None:
        try:
            async with asyncio.timeout(self._lifecycle.remaining_s(REQUESTS_SHARE)):
                for connection in self._connections():
                    await connection.lost.wait()
                for task in list(self.server_state.tasks):  # of clients that have left
                    await asyncio.wait([task])
        except TimeoutError:
            await self._give_up_requests()

    async def _give_up_requests(self) -> None:
        tasks = list(self.server_state.tasks)
        for connection in self._connections():
            connection.give_up()
        if tasks:
            self._lifecycle.gave_up = True
            log.warning("gave up requests that were under way", extra={"requests": len(tasks)})
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=self._lifecycle.remaining_s(ENGINES_SHARE))

    def _connections(self) -> Sequence[Connection]:
        return [c for c in self.server_state.connections if isinstance(c, Connection)]


async def _let_in_who_waits(listeners: Sequence[socket.socket]) -> None:
    """The kernel would reset connections that it has made and that nobody has accepted yet."""
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ)
        for _ in range(MAX_TURNS):
            if not listeners or not selector.select(0):
                return
            await asyncio.sleep(0)


def _never_collect_what_is_here() -> None:
    """Modules and models live as long as the process; looking through them once more for garbage
    stopped all requests for 130 ms (measured with torch imported)."""
    gc.collect()
    gc.freeze()


def bind(host: str, port: int, *, port_setting: str = PORT_SETTING) -> socket.socket:
    """Takes the address before models load. Raises StartupRefused when it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError, TypeError) as error:  # a name that is no host's is any of them
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise _cannot_listen(host, port, port_setting, reason) from None
    return listener


def _accept(listener: socket.socket, backlog: int) -> tuple[str, int]:
    """The address; uvloop would hide that another process has begun to listen there meanwhile."""
    host, port = listener.getsockname()[:2]
    try:
        listener.listen(backlog)
    except OSError as error:
        raise _cannot_listen(host, port, PORT_SETTING, error.strerror) from None
    return host, port


def _cannot_listen(host: str, port: int, port_setting: str, reason: object) -> StartupRefused:
    return StartupRefused(
        f"cannot listen on {host}:{port}: {reason}; CTR_HOST must be an address of this machine, "
        f"{port_setting} a free port"
    )
