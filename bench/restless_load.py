"""Clients of every kind: they ask, wait for at most so long, hang up, come back."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from bench.balancer import Backend

ANSWER_WITHIN_S = 10.0
ABORTS = 0.05  # of the requests
FRESH = 0.02  # of the answered ones close their connection, so that new ones are made
ABORT_WITHIN_S = 0.02


class RestlessLoad:
    """Sends requests in any order to one service, and keeps count."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._backend = Backend(port)
        self._requests = requests
        self._rng = random.Random(11)  # noqa: S311 - not for secrets
        self._outcomes: Counter[str] = Counter()
        self.latencies_s: list[float] = []

    async def open_loop(self, requests_per_s: float) -> None:
        """At their times, however long answers take, until it is cancelled."""
        due_s = time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            try:
                while True:
                    due_s += self._rng.expovariate(requests_per_s)
                    await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                    aborts = self._rng.random() < ABORTS
                    under_way.create_task(self._abort() if aborts else self._ask())
            except asyncio.CancelledError:
                return

    async def capacity(self, *, connections: int, seconds: float) -> float:
        """Answers per second with so many requests under way all the time."""
        end_s = time.monotonic() + seconds

        async def ask_on() -> None:
            while time.monotonic() < end_s:
                await self._ask()

        await asyncio.gather(*(ask_on() for _ in range(connections)))
        self.take_outcomes()
        return len(self.take_latencies_s()) / seconds

    def take_outcomes(self) -> dict[str, int]:
        """How many requests ended in which way since the last time."""
        taken, self._outcomes = self._outcomes, Counter()
        return dict(taken)

    def take_latencies_s(self) -> list[float]:
        """Of the answers since the last time."""
        taken, self.latencies_s = self.latencies_s, []
        return taken

    def close(self) -> None:
        while self._backend.idle:
            self._backend.idle.pop().close()

    async def _ask(self) -> None:
        started_s = time.perf_counter()
        connection = None
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                connection = await self._backend.connection()
                status, is_last = await connection.ask(self._rng.choice(self._requests))
        except (OSError, EOFError) as error:  # a TimeoutError is an OSError
            self._outcomes[type(error).__name__] += 1
            if connection is not None:
                connection.abort()
            return
        self.latencies_s.append(time.perf_counter() - started_s)
        self._outcomes[str(status)] += 1
        if is_last or self._rng.random() < FRESH:
            connection.close()
        else:
            self._backend.idle.append(connection)

    async def _abort(self) -> None:
        """Hangs up on a request that it has sent, or on half of it."""
        request = self._rng.choice(self._requests)
        sent = request if self._rng.random() < 0.5 else request[: len(request) // 2]
        try:
            connection = await self._backend.connection()
        except OSError as error:
            self._outcomes[type(error).__name__] += 1
            return
        connection.writer.write(sent)
        await asyncio.sleep(self._rng.random() * ABORT_WITHIN_S)
        connection.abort()
        self._outcomes["hung up"] += 1
