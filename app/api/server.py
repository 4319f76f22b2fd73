"""The process that listens: a bound socket, and a uvicorn that can be stopped cleanly."""

import gc
import logging
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.refusing_protocol import RefusingProtocol
from app.errors import StartupRefused

KEEP_ALIVE_S = 75  # longer than a load balancer's 60, so that it is never us who hangs up first
MAX_HEAD_BYTES = 2**19  # more than one read brings, which may hold other requests too
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"

log = logging.getLogger(__name__)


class BoundedHeadProtocol(RefusingProtocol):
    """Hangs up on a request whose head never ends: uvicorn would keep all of it in memory."""

    _head_bytes: int | None = None  # None outside of a head

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()


class Server(uvicorn.Server):
    """Says where it listens, and returns after SIGTERM so that whoever runs it can clean up."""

    @classmethod
    def of(cls, service: FastAPI, *, shutdown_grace_s: int) -> "Server":
        return cls(
            uvicorn.Config(
                service,
                http=BoundedHeadProtocol,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # nothing here asks who the client is
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=shutdown_grace_s,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        addresses = [_accept(listener, self.config.backlog) for listener in sockets or ()]
        await super().startup(sockets)
        _never_collect_what_is_here()
        for host, port in addresses:
            log.info("listening", extra={"host": host, "port": port})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:
            log.info("stopping")
            self.should_exit = True  # uvicorn would raise the signal again and end the process
        else:
            super().handle_exit(sig, frame)


def _never_collect_what_is_here() -> None:
    """Modules and models live as long as the process; looking through them once more for garbage
    stopped all requests for 130 ms (measured with torch imported)."""
    gc.collect()
    gc.freeze()


def bind(host: str, port: int) -> socket.socket:
    """Takes the address before models load. Raises StartupRefused when it is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise StartupRefused(f"cannot listen on {host}:{port}: {reason}") from None
    return listener


def _accept(listener: socket.socket, backlog: int) -> tuple[str, int]:
    """The address; uvloop would hide that another process has begun to listen there meanwhile."""
    host, port = listener.getsockname()[:2]
    try:
        listener.listen(backlog)
    except OSError as error:
        raise StartupRefused(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return host, port
