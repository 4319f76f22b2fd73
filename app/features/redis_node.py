"""One Redis server, and whether it is worth asking."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from app.features.circuit_breaker import Circuit, CircuitBreaker
from app.features.redis_address import Login, Place
from app.features.redis_errors import REDIS_ERRORS, CircuitOpen, HeldBack, is_alive
from app.features.redis_link import Command, Reply
from app.features.redis_links import RedisLinks
from app.monitoring.metrics import Metrics

LONGEST_PROBE_S = 0.5

log = logging.getLogger(__name__)


class RedisNode:
    """Asks in round trips of bounded time, without a retry: who asks has a deadline.

    `on_trouble` is told of every failure and before every probe; the keys may have moved.
    """

    def __init__(
        self,
        place: Place,
        login: Login,
        metrics: Metrics,
        *,
        timeout_s: float,
        on_trouble: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_s = timeout_s
        self._probe_timeout_s = min(timeout_s, LONGEST_PROBE_S)
        self._on_trouble = on_trouble
        self._links = RedisLinks(place, login, metrics, clock=clock)
        self._probing: asyncio.Task[None] | None = None
        self._name = str(place)
        self._metrics = metrics
        self._breaker = CircuitBreaker(self._changed)
        self._is_closed = False
        self._is_given_up = False
        metrics.redis_circuit_state.labels(self._name).set(self._breaker.state)

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """One reply for each command, ResponseErrors among them; raises one of REDIS_ERRORS.

        Raises CircuitOpen at once where the server did not answer lately.
        """
        if self._breaker.state is Circuit.OPEN:
            raise CircuitOpen("Redis did not answer lately")
        try:
            replies = await self._links.round_trip(commands, self._timeout_s)
        except HeldBack:
            raise  # by ourselves: the server was not asked
        except REDIS_ERRORS:
            self._breaker.failed()
            self._on_trouble()
            raise
        self._breaker.succeeded()
        return replies

    async def close(self) -> None:
        """There is no such server any more, or nobody to ask it."""
        self._is_closed = True
        self._metrics.redis_circuit_state.remove(self._name)
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        await self._links.close()

    def _changed(self, state: Circuit) -> None:
        if self._is_closed:
            return
        self._metrics.redis_circuit_state.labels(self._name).set(state)
        self._metrics.redis_circuit_changes.labels(state.name.lower()).inc()
        self._say(state)
        if state is Circuit.OPEN and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe_while_open())

    def _say(self, state: Circuit) -> None:
        """Once when the trouble begins and once when it is over, however often it is probed."""
        if state is Circuit.OPEN and not self._is_given_up:
            self._is_given_up = True
            log.warning("Redis is not waited for any more", extra={"node": self._name})
        elif state is Circuit.CLOSED:
            self._is_given_up = False
            log.warning("Redis answers again", extra={"node": self._name})

    async def _probe_while_open(self) -> None:
        """One probe at a time, so that requests need not find out whether the server is back."""
        while self._breaker.state is Circuit.OPEN:
            await asyncio.sleep(self._breaker.next_pause_s())
            self._on_trouble()
            try:
                (reply,) = await self._links.round_trip([("PING",)], self._probe_timeout_s)
            except REDIS_ERRORS:
                continue
            if is_alive(reply):
                self._breaker.probe_succeeded()
