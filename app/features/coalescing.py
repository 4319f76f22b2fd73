"""One round trip for everybody who asks while the last one is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from itertools import islice
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Late(Enum):
    """In the place of a value. An error would refer to the frames of its caller, and those to the
    future that has it: while Redis hangs, such a circle would hold every request."""

    LATE = "late"


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
        # A future for each caller: one who gives up cancels nobody else's.
        self._waiting: dict[str, set[asyncio.Future[Value | Late]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, key: str, timeout_s: float) -> Value:
        """Raises TimeoutError; the round trip goes on without its caller."""
        (value,) = await self.read_all([key], timeout_s)
        return value

    async def read_all(self, keys: Sequence[str], timeout_s: float) -> list[Value]:
        """One value per key, without a task for each. Raises TimeoutError."""
        asked = [self._ask(key) for key in keys]
        # A tenth of what asyncio.timeout costs.
        too_late = asyncio.get_running_loop().call_later(timeout_s, _give_up, asked)
        try:
            answers = [await future for future in asked]
        finally:
            too_late.cancel()
            for key, future in zip(keys, asked, strict=True):
                self._leave(key, future)
        values = [answer for answer in answers if answer is not Late.LATE]
        if len(values) < len(answers):
            raise TimeoutError(f"not read within {timeout_s:g} s")
        return values

    async def close(self) -> None:
        """Waits for the round trip under way, which has its own bound."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _ask(self, key: str) -> "asyncio.Future[Value | Late]":
        future: asyncio.Future[Value | Late] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(future)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_waiting())
        return future

    def _leave(self, key: str, future: "asyncio.Future[Value | Late]") -> None:
        """A key that nobody waits for any more is not read: a hung Redis leaves no backlog."""
        waiting = self._waiting.get(key)
        if waiting is not None and future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[key]

    async def _read_waiting(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, self._max_keys))
            asked = [self._waiting.pop(key) for key in keys]
            try:
                values = await self._read_many(keys)
            except Exception as error:  # noqa: BLE001 - handed to everyone who waits for it
                for futures in asked:
                    _fail(futures, error)
            else:
                for futures, value in zip(asked, values, strict=True):
                    for future in futures:
                        if not future.done():  # its caller has not given up
                            future.set_result(value)


def _give_up(futures: Iterable["asyncio.Future[Value | Late]"]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(Late.LATE)


def _fail(futures: Iterable["asyncio.Future[Value | Late]"], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            future.exception()  # marks it as seen: of several, its caller sees the first only
