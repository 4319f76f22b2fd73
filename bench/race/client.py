"""A light HTTP client for load: prebuilt bytes, connections kept alive, only the status is read.

`asyncio` on `select`, whose timeouts are in microseconds where epoll's are in milliseconds: a
request leaves when it is meant to.
"""

import asyncio
import gc
import selectors
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.race.latency import Outcomes

MAX_CONNECTIONS = 256  # select's own limit is 1024 descriptors
GRACE_S = 5.0  # for answers, once everything has been sent
END_OF_HEADER = b"\r\n\r\n"
CONTENT_LENGTH = b"content-length:"

Wire = tuple[bytes, bytes]  # header with the start of the body, and the rest of it
Keep = Callable[[int, int, bytes], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int


def open_loop(
    address: Address,
    requests: Sequence[Wire],
    intended_s: NDArray[np.float64],
    *,
    grace_s: float = GRACE_S,
    keep: Keep | None = None,
) -> Outcomes:
    """Sends request i at `intended_s[i]`, whatever has become of those before.

    keep: gets each answer's index, status and body, which are not kept otherwise.
    """
    return _run(_Load(address, requests, grace_s, keep).open_loop(intended_s))


def closed_loop(
    address: Address, requests: Sequence[Wire], *, connections: int, seconds: float
) -> Outcomes:
    """Each connection sends the next request as soon as it has its answer."""
    return _run(_Load(address, requests, GRACE_S).closed_loop(connections, seconds))


class _Load:
    """One run: its connections, the requests that wait for one, and what became of each."""

    def __init__(
        self,
        address: Address,
        requests: Sequence[Wire],
        grace_s: float,
        keep: Keep | None = None,
    ) -> None:
        self._address = address
        self._keep = keep
        self._grace_s = grace_s
        self._requests = requests
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._opening = 0
        self._waiting: deque[int] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._intended_s: list[float] = []
        self._released_s: list[float] = []
        self._done_s: list[float] = []
        self._status: list[int] = []
        self._unfinished = 0
        self._all_done = asyncio.Event()
        self._next: Callable[[], int | None] = lambda: None

    async def open_loop(self, intended_s: NDArray[np.float64]) -> Outcomes:
        await asyncio.gather(*(self._connect() for _ in range(8)))
        started_s = time.perf_counter()
        self._next = lambda: self._waiting.popleft() if self._waiting else None
        for due_s in (intended_s + started_s).tolist():
            ahead_s = due_s - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            self._waiting.append(self._planned(due_s))
            self._dispatch()
        return await self._finish()

    async def closed_loop(self, connections: int, seconds: float) -> Outcomes:
        await asyncio.gather(*(self._connect() for _ in range(connections)))
        end_s = time.perf_counter() + seconds

        def next_one() -> int | None:
            now_s = time.perf_counter()
            return self._planned(now_s) if now_s < end_s else None

        self._next = next_one
        self._dispatch()
        await asyncio.sleep(seconds)
        return await self._finish()

    def _planned(self, due_s: float) -> int:
        self._intended_s.append(due_s)
        self._released_s.append(time.perf_counter())
        self._done_s.append(float("nan"))
        self._status.append(0)
        self._unfinished += 1
        self._all_done.clear()
        return len(self._status) - 1

    def _dispatch(self) -> None:
        while self._idle:
            index = self._next()
            if index is None:
                return
            connection = self._idle.pop()
            connection.send(index, self._requests[index % len(self._requests)])
        if len(self._waiting) > self._opening and self._size() < MAX_CONNECTIONS:
            task = asyncio.create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _size(self) -> int:
        return len(self._open) + self._opening

    async def _connect(self) -> None:
        self._opening += 1
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self.answered, self.lost, self._keep),
                self._address.host,
                self._address.port,
            )
        except OSError:
            return  # what waits for it goes unanswered, and is counted so
        finally:
            self._opening -= 1
        self._open.add(connection)
        self._idle.append(connection)
        self._dispatch()

    def answered(self, connection: "_Connection", index: int, status: int) -> None:
        self._done_s[index] = time.perf_counter()
        self._status[index] = status
        self._finished_one()
        self._idle.append(connection)
        self._dispatch()

    def lost(self, connection: "_Connection", index: int | None) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if index is not None:
            self._finished_one()

    def _finished_one(self) -> None:
        self._unfinished -= 1
        if not self._unfinished:
            self._all_done.set()

    async def _finish(self) -> Outcomes:
        if self._unfinished:
            try:
                await asyncio.wait_for(self._all_done.wait(), self._grace_s)
            except TimeoutError:
                self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._open):
            connection.close()
        return Outcomes(
            np.array(self._intended_s),
            np.array(self._released_s),
            np.array(self._done_s),
            np.array(self._status, np.int64),
        )


class _Connection(asyncio.Protocol):
    """One request under way at a time; of an answer only its status and its length are read."""

    def __init__(
        self,
        answered: Callable[["_Connection", int, int], None],
        lost: Callable[["_Connection", int | None], None],
        keep: Keep | None,
    ) -> None:
        self._keep = keep
        self._body: list[bytes] = []
        self._answered = answered
        self._lost = lost
        self._index: int | None = None
        self._header = b""
        self._status = 0
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def send(self, index: int, request: Wire) -> None:
        self._index, self._header, self._status = index, b"", 0
        self._transport.writelines(request)

    def data_received(self, data: bytes) -> None:
        if self._status:
            self._missing_bytes -= len(data)
            self._body.append(data)
        else:
            self._header += data
            end = self._header.find(END_OF_HEADER)
            if end < 0:
                return
            self._status = int(self._header[9:12])
            body = self._header[end + len(END_OF_HEADER) :]
            self._body = [body]
            self._missing_bytes = content_length(self._header[:end]) - len(body)
        if self._missing_bytes <= 0 and self._index is not None:
            index, self._index = self._index, None
            if self._keep is not None:
                self._keep(index, self._status, b"".join(self._body))
            self._answered(self, index, self._status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self, self._index)

    def close(self) -> None:
        self._transport.abort()


def content_length(header: bytes) -> int:
    """Zero where a header states none."""
    lower = header.lower()
    start = lower.find(CONTENT_LENGTH)
    if start < 0:
        return 0
    return int(lower[start + len(CONTENT_LENGTH) :].split(b"\r\n", 1)[0])


def _run(load: Coroutine[Any, Any, Result]) -> Result:
    """On an event loop of its own, without pauses for garbage."""
    gc.collect()
    gc.disable()
    try:
        with asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        ) as runner:
            return runner.run(load)
    finally:
        gc.enable()
