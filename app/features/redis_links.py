"""The connections to one server: opened when needed, kept while they answer, bounded in number."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.exceptions import TimeoutError as RedisTimeout

from app.features.connect_budget import ConnectBudget
from app.features.redis_address import Login, Place
from app.features.redis_errors import HeldBack
from app.features.redis_link import Command, RedisLink, Reply, open_link
from app.monitoring.metrics import Metrics

MAX_LINKS = 8  # reads of one kind share round trips, so that few are ever needed


class RedisLinks:
    """As many connections as round trips at the same time, MAX_LINKS at most and no more than
    that in a second: where no more may be opened now, those in use are waited for, or until one
    may be, first come, first served. One whose round trip failed is never used again."""

    def __init__(
        self,
        place: Place,
        login: Login,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place = place
        self._login = login
        self._idle: list[RedisLink] = []
        self._free = asyncio.Semaphore(MAX_LINKS)
        self._in_use = 0
        self._first_in_line = asyncio.Lock()
        self._came_back = asyncio.Event()
        self._budget = ConnectBudget(MAX_LINKS, clock=clock)
        self._connects = metrics.redis_connects
        self._is_closed = False

    async def round_trip(self, commands: Sequence[Command], timeout_s: float) -> list[Reply]:
        """One reply for each command, without a retry; raises one of REDIS_ERRORS."""
        try:
            async with asyncio.timeout(timeout_s), self._free:
                idle = await self._idle_link_or_leave_to_open_one()
                self._in_use += 1
                try:
                    return await self._ask(idle or await self._open_link(), commands)
                finally:
                    self._in_use -= 1
                    self._came_back.set()
                    self._came_back.clear()  # whoever waits has been woken
        except TimeoutError:
            raise RedisTimeout(f"no reply within {timeout_s * 1e3:g} ms") from None

    async def close(self) -> None:
        """Round trips under way are not cut off."""
        self._is_closed = True
        for link in self._idle:
            link.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def _idle_link_or_leave_to_open_one(self) -> RedisLink | None:
        async with self._first_in_line:
            while (link := self._idle_link()) is None and not self._budget.take():
                if not self._in_use:
                    self._connects.labels("held_back").inc()
                    raise HeldBack(f"it was connected to {MAX_LINKS} times within a second")
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._budget.room_in_s()):
                        await self._came_back.wait()
            return link

    def _idle_link(self) -> RedisLink | None:
        while self._idle:
            link = self._idle.pop()
            if link.is_open:
                return link
        return None

    async def _open_link(self) -> RedisLink:
        try:
            link = await open_link(self._place, self._login)
        except BaseException:
            self._connects.labels("failed").inc()
            raise
        self._connects.labels("opened").inc()
        return link

    async def _ask(self, link: RedisLink, commands: Sequence[Command]) -> list[Reply]:
        replies = await link.ask(commands)
        if self._is_closed:
            link.close()
        else:
            self._idle.append(link)
        return replies
