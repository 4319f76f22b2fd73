"""One round trip for everybody who asks while the last one is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class _Asked(Generic[Value]):
    key: str
    future: "asyncio.Future[Value]"
    callers: int = 0


class CoalescedReader(Generic[Value]):
    """Reads values by key; the same key asked twice is read once.

    `read_many` is never cancelled midway: a caller that gives up leaves the round trip alone, so
    that a reply can never be mistaken for another caller's. It bounds its own time and returns one
    value per key; failures are values too.
    """

    def __init__(
        self, read_many: Callable[[Sequence[str]], Awaitable[Sequence[Value]]], *, max_keys: int
    ) -> None:
        self._read_many = read_many
        self._max_keys = max_keys
        self._waiting: dict[str, _Asked[Value]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, key: str) -> Value:
        (value,) = await self.read_all([key])
        return value

    async def read_all(self, keys: Iterable[str]) -> list[Value]:
        """One value per key, without a task for each."""
        asked = [self._ask(key) for key in keys]
        try:
            return [await asyncio.shield(one.future) for one in asked]
        finally:
            for one in asked:
                self._leave(one)

    async def close(self) -> None:
        """Waits for the round trip under way, which has its own bound."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _ask(self, key: str) -> "_Asked[Value]":
        asked = self._waiting.get(key)
        if asked is None:
            asked = _Asked(key, asyncio.get_running_loop().create_future())
            self._waiting[key] = asked
        asked.callers += 1
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_waiting())
        return asked

    def _leave(self, asked: "_Asked[Value]") -> None:
        """A key that nobody waits for any more is not read: a hung Redis leaves no backlog."""
        asked.callers -= 1
        if asked.callers == 0 and self._waiting.get(asked.key) is asked:
            del self._waiting[asked.key]

    async def _read_waiting(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, self._max_keys))
            futures = [self._waiting.pop(key).future for key in keys]
            try:
                values = await self._read_many(keys)
            except Exception as error:  # noqa: BLE001 - handed to everyone who waits for it
                _fail(futures, error)
            else:
                for future, value in zip(futures, values, strict=True):
                    future.set_result(value)


def _fail(futures: Sequence["asyncio.Future[Value]"], error: Exception) -> None:
    for future in futures:
        future.set_exception(error)
        future.exception()  # marks it as seen: its caller may have given up already
