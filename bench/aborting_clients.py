"""Clients that hang up in the middle of their requests, in every way there is, among patient ones.

Each has a connection of its own, as nobody gets one back that was hung up on.
"""

import asyncio
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from bench.balancer import Backend

Moment = Literal["sending", "queued", "computing"]
End = Literal["FIN", "RST"]

ANSWER_WITHIN_S = 10.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Way:
    """When a client leaves, and what its machine sends then."""

    moment: Moment
    end: End

    def __str__(self) -> str:
        return f"{self.moment}, {self.end}"


WAYS = tuple(Way(moment, end) for moment, end in product(get_args(Moment), get_args(End)))


def draw_ways(count: int, *, abort_share: float, seed: int) -> list[Way | None]:
    """How each of `count` clients leaves; None waits for its answer. All ways are as frequent."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    aborting = round(count * abort_share)
    ways: list[Way | None] = [WAYS[number % len(WAYS)] for number in range(aborting)]
    ways += [None] * (count - aborting)
    rng.shuffle(ways)
    return ways


def sent_before_leaving(request: bytes, way: Way) -> bytes:
    """All of it, or its head and half of its body."""
    if way.moment != "sending":
        return request
    body_at = request.index(HEAD_END) + len(HEAD_END)
    return request[: body_at + (len(request) - body_at) // 2]


class AbortingClients:
    """An open loop of clients to one service; keeps count of what became of them."""

    def __init__(self, port: int, *, stay_s: float) -> None:
        """stay_s: at most, of whoever leaves before its answer."""
        self._address = ("127.0.0.1", port)
        self._backend = Backend(port)
        self._stay_s = stay_s
        self._rng = random.Random(11)  # noqa: S311 - not for secrets
        self.outcomes: Counter[str] = Counter()  # a way of leaving, a status, or an error

    async def storm(
        self, requests: Sequence[bytes], ways: Sequence[Way | None], times_s: Sequence[float]
    ) -> None:
        """Client i comes at `times_s[i]`, whatever has become of those before it."""
        started_s = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            for number, (way, due_s) in enumerate(zip(ways, times_s, strict=True)):
                await asyncio.sleep(max(0.0, started_s + due_s - time.monotonic()))
                request = requests[number % len(requests)]
                client = self._ask(request) if way is None else self._leave(request, way)
                under_way.create_task(client)
        while self._backend.idle:
            self._backend.idle.pop().close()

    async def _ask(self, request: bytes) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                connection = await self._backend.connection()
                status, is_last = await connection.ask(request)
        except (OSError, EOFError) as error:  # a TimeoutError is an OSError
            self.outcomes[type(error).__name__] += 1
            return
        self.outcomes[str(status)] += 1
        if is_last:
            connection.close()
        else:
            self._backend.idle.append(connection)

    async def _leave(self, request: bytes, way: Way) -> None:
        loop = asyncio.get_running_loop()
        try:
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, self._address)
                await loop.sock_sendall(client, sent_before_leaving(request, way))
                if way.moment != "queued":
                    await asyncio.sleep(self._rng.random() * self._stay_s)
                if way.end == "RST":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except OSError as error:
            self.outcomes[type(error).__name__] += 1
            return
        self.outcomes[str(way)] += 1
