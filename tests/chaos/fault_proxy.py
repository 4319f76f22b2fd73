"""A TCP proxy between the service and Redis that breaks what passes through it, on demand."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import WAIT_S

LINGER_ZERO = struct.pack("ii", 1, 0)  # closing sends a reset
SEED = 20260101


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of replies, and of connections. The default changes nothing."""

    name: str = "none"
    latency_s: float = 0.0
    jitter_s: float = 0.0
    swallows: bool = False  # questions and replies alike
    resets: bool = False  # connections as soon as they carry something
    cuts: bool = False  # replies in half, and hangs up
    drips_s: float = 0.0  # between one byte of a reply and the next
    swaps: bool = False  # the replies of one round trip
    crosses: bool = False  # the replies of two connections


NO_FAULT = Fault()
BLACK_HOLE = Fault("black hole", swallows=True)
RESETS = Fault("reset", resets=True)
HALF_REPLIES = Fault("half replies", cuts=True)
SLOW_DRIP = Fault("slow drip", drips_s=0.005)
SWAPPED = Fault("wrong order in a round trip", swaps=True)
CROSSED = Fault("replies of others", crosses=True)
JITTER = Fault("jitter of 0 to 40 ms", jitter_s=0.04)


def slow(milliseconds: int) -> Fault:
    return Fault(f"slow by {milliseconds} ms", latency_s=milliseconds / 1e3)


@dataclass(slots=True)
class FaultProxy:
    """Lives in a thread with an event loop of its own; faults are set from any other thread."""

    connect: Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
    port: int = 0
    fault: Fault = NO_FAULT
    connections: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _held: tuple[asyncio.StreamWriter, bytes] | None = None  # a reply that waits for its twin

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @contextmanager
    def during(self, fault: Fault) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = NO_FAULT

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._clients.add(writer)
        try:
            from_redis, to_redis = await self.connect()
            try:
                await self._pass_on(reader, writer, from_redis, to_redis)
            finally:
                to_redis.transport.abort()
        except OSError:
            pass
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_redis: asyncio.StreamReader,
        to_redis: asyncio.StreamWriter,
    ) -> None:
        directions = [
            asyncio.create_task(self._questions(reader, to_redis, writer)),
            asyncio.create_task(self._replies(from_redis, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _questions(
        self,
        reader: asyncio.StreamReader,
        to_redis: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        while chunk := await reader.read(2**16):
            if self.fault.resets:
                _reset(writer)
                return
            if not self.fault.swallows:
                to_redis.write(chunk)

    async def _replies(
        self, from_redis: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await from_redis.read(2**16):
            fault = self.fault
            delay_s = fault.latency_s + self._random.random() * fault.jitter_s
            if delay_s:
                await asyncio.sleep(delay_s)
            if fault.swallows:
                continue
            if fault.cuts:
                writer.write(chunk[: len(chunk) // 2])
                await writer.drain()
                return
            if fault.crosses:
                self._cross(writer, chunk)
            elif fault.drips_s:
                await _drip(writer, chunk, fault.drips_s)
            else:
                writer.write(_swapped(chunk) if fault.swaps else chunk)

    def _cross(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        """Holds a reply until there is another one, then gives each to the other's asker."""
        if self._held is None or self._held[0] not in self._clients or self._held[0] is writer:
            self._held = (writer, chunk)
            return
        (twin, twins), self._held = self._held, None
        twin.write(chunk)
        writer.write(twins)


@contextmanager
def fault_proxy(target: str) -> Iterator[FaultProxy]:
    """In front of `HOST:PORT` or of the path of a Unix socket."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if "/" in target:
            return await asyncio.open_unix_connection(target)
        host, _, port = target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    proxy = FaultProxy(connect)
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="fault-proxy")
    thread.start()
    assert ready.wait(WAIT_S), "the proxy did not start"
    try:
        yield proxy
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


async def _drip(writer: asyncio.StreamWriter, chunk: bytes, pause_s: float) -> None:
    for position in range(len(chunk)):
        writer.write(chunk[position : position + 1])
        await asyncio.sleep(pause_s)


def _swapped(chunk: bytes) -> bytes:
    """The number at the end of `<values><number>` comes first."""
    start = chunk.rfind(b"\r\n:") + 2
    return chunk[start:] + chunk[:start] if start >= 2 else chunk


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    writer.transport.abort()
