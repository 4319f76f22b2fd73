"""A client like a load balancer: round robin, polls readiness, keeps connections, never retries."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

READY = b"GET /health/ready HTTP/1.1\r\nHost: replica\r\nConnection: close\r\n\r\n"
POLL_TIMEOUT_S = 1.0
NO_REPLICA = "no replica is ready"


@dataclass(slots=True)
class Connection:
    """One that is kept alive, with one request on it at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> tuple[int, bool]:
        """The answer's status, and whether it was the last one. Raises OSError, EOFError."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await self.reader.readexactly(length)
        return int(head[9:12]), b"connection: close" in head

    def is_open(self) -> bool:
        return not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


@dataclass(slots=True)
class Backend:
    """A replica as its load balancer sees it."""

    port: int
    is_ready: bool = False
    idle: deque[Connection] = field(default_factory=deque)

    async def poll(self) -> bool:
        """What readiness says now."""
        try:
            async with asyncio.timeout(POLL_TIMEOUT_S):
                connection = await Connection.open(self.port)
                try:
                    status, _ = await connection.ask(READY)
                finally:
                    connection.close()
        except (OSError, EOFError, TimeoutError):
            return False
        return status == 200

    async def connection(self) -> Connection:
        """The one that has been idle for longest; a new one if none is open."""
        while self.idle:
            kept = self.idle.popleft()
            if kept.is_open():
                return kept
            kept.close()
        return await Connection.open(self.port)


class Balancer:
    """Sends each request once, to the next replica that said it was ready."""

    def __init__(self, ports: Sequence[int], *, poll_every_s: float) -> None:
        self.backends = [Backend(port) for port in ports]
        self._poll_every_s = poll_every_s
        self._turn = count()
        self.outcomes: Counter[str] = Counter()  # a status, or why there is none
        self.last_answers = 0  # after which the replica closed the connection
        self.latencies_s: list[float] = []

    async def watch(self) -> None:
        """Polls every replica until it is cancelled."""
        await asyncio.gather(*map(self._watch, self.backends))

    async def post(self, request: bytes) -> None:
        started_s = time.perf_counter()
        ready = [backend for backend in self.backends if backend.is_ready]
        if not ready:
            self.outcomes[NO_REPLICA] += 1
            return
        backend = ready[next(self._turn) % len(ready)]
        try:
            connection = await backend.connection()
            status, is_last = await connection.ask(request)
        except (OSError, EOFError) as error:
            self.outcomes[type(error).__name__] += 1
            return
        self.latencies_s.append(time.perf_counter() - started_s)
        self.outcomes[str(status)] += 1
        self.last_answers += is_last
        if is_last:
            connection.close()
        else:
            backend.idle.append(connection)

    def close(self) -> None:
        for backend in self.backends:
            while backend.idle:
                backend.idle.pop().close()

    async def _watch(self, backend: Backend) -> None:
        while True:
            backend.is_ready = await backend.poll()
            await asyncio.sleep(self._poll_every_s)
