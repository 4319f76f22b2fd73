"""One Redis server: a few connections to it that stay open, and whether it is worth asking."""

import asyncio
from collections.abc import Sequence

from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import TimeoutError as RedisTimeout

from app.features.circuit_breaker import Circuit, CircuitBreaker
from app.features.connect_budget import ConnectBudget
from app.features.redis_address import RedisAddress
from app.features.redis_errors import REDIS_ERRORS, CircuitOpen, is_alive
from app.features.redis_link import Command, RedisLink, Reply, open_link
from app.monitoring.metrics import Metrics

MAX_LINKS = 8  # reads of one kind share round trips, so that few are ever needed
LONGEST_PROBE_S = 0.5


class RedisNode:
    """Asks in round trips of bounded time, without a retry: who asks has a deadline.

    Connections are opened when needed, as many at the same time as questions, MAX_LINKS at most
    and no more than that in a second. One whose round trip failed is never used again.
    """

    def __init__(self, address: RedisAddress, metrics: Metrics, *, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._probe_timeout_s = min(timeout_s, LONGEST_PROBE_S)
        self._idle: list[RedisLink] = []
        self._places = asyncio.Semaphore(MAX_LINKS)
        self._budget = ConnectBudget(MAX_LINKS)
        self._probing: asyncio.Task[None] | None = None
        self._connects = metrics.redis_connects
        self._state = metrics.redis_circuit_state.labels(str(address.place))
        self._changes = metrics.redis_circuit_changes
        self._breaker = CircuitBreaker(self._changed)
        self._state.set(self._breaker.state)

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """One reply for each command, ResponseErrors among them; raises one of REDIS_ERRORS.

        Raises CircuitOpen at once where the server did not answer lately.
        """
        if self._breaker.state is Circuit.OPEN:
            raise CircuitOpen("Redis did not answer lately")
        try:
            replies = await self._round_trip(commands, self._timeout_s)
        except REDIS_ERRORS:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return replies

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        for link in self._idle:
            link.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def _round_trip(self, commands: Sequence[Command], timeout_s: float) -> list[Reply]:
        try:
            async with asyncio.timeout(timeout_s), self._places:
                link = self._idle_link() or await self._open_link()
                replies = await link.ask(commands)
        except TimeoutError:
            raise RedisTimeout(f"no reply within {timeout_s * 1e3:g} ms") from None
        self._idle.append(link)
        return replies

    def _idle_link(self) -> RedisLink | None:
        while self._idle:
            link = self._idle.pop()
            if link.is_open:
                return link
        return None

    async def _open_link(self) -> RedisLink:
        if not self._budget.take():
            self._connects.labels("held_back").inc()
            raise RedisUnreachable(f"it was connected to {MAX_LINKS} times within a second")
        try:
            link = await open_link(self._address.place, self._address.login)
        except BaseException:
            self._connects.labels("failed").inc()
            raise
        self._connects.labels("opened").inc()
        return link

    def _changed(self, state: Circuit) -> None:
        self._state.set(state)
        self._changes.labels(state.name.lower()).inc()
        if state is Circuit.OPEN and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe_while_open())

    async def _probe_while_open(self) -> None:
        """One probe at a time, so that requests need not find out whether the server is back."""
        while self._breaker.state is Circuit.OPEN:
            await asyncio.sleep(self._breaker.next_pause_s())
            try:
                (reply,) = await self._round_trip([("PING",)], self._probe_timeout_s)
            except REDIS_ERRORS:
                continue
            if is_alive(reply):
                self._breaker.probe_succeeded()
