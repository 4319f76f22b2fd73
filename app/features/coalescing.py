"""One round trip for everybody who asks while the last one is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")


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
        self._waiting: dict[str, asyncio.Future[Value]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, key: str) -> Value:
        return await asyncio.shield(self._ask(key))

    async def read_all(self, keys: Iterable[str]) -> list[Value]:
        """One value per key, without a task for each."""
        futures = [self._ask(key) for key in keys]
        return [await asyncio.shield(future) for future in futures]

    async def close(self) -> None:
        """Waits for the round trip under way, which has its own bound."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _ask(self, key: str) -> "asyncio.Future[Value]":
        future = self._waiting.get(key)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[key] = future
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_waiting())
        return future

    async def _read_waiting(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[: self._max_keys]
            futures = [self._waiting.pop(key) for key in keys]
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
