"""Where batches are computed: beside the event loop, which hands them over and hears back."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar

Done = Callable[[Exception | None, float], None]  # the failure, if it failed; seconds it took


class Runnable(Protocol):
    """Work for a thread of this process."""

    def run(self) -> None:
        """Blocks its thread until the work is done."""
        ...


Work_contra = TypeVar("Work_contra", contravariant=True)


class Workers(Protocol[Work_contra]):
    """So many batches at the same time, each on a thread of its own, and some more in line."""

    @property
    def threads(self) -> int: ...

    @property
    def ahead(self) -> int:
        """Batches that may be in line, so that no thread waits until the loop has the next."""
        ...

    def start(self, work: Work_contra, done: Done) -> None:
        """On the event loop, where `done` is called when the work is; no more than there is room
        for, on threads and in line."""
        ...

    def withdraw(self, work: Work_contra) -> bool:
        """Whether work that was started is still in line, and now will never be done: nothing is
        called, and there is room for other work."""
        ...

    def close(self) -> None:
        """Once nothing is under way. Work that is stuck is not waited for, where that can be."""
        ...


class ThreadWorkers:
    """Threads of Python, for work that releases its lock now and then, as torch does.

    Unlike those of an executor, they do not keep the process from ending when they are stuck.
    """

    ahead = 0  # batches are worth filling

    def __init__(self, threads: int, name: str) -> None:
        self.threads = threads
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for number in range(threads):
            Thread(target=self._work, name=f"engine-{name}-{number}", daemon=True).start()

    def start(self, work: Runnable, done: Done) -> None:
        self._queue.put(partial(_run, work, done, asyncio.get_running_loop()))

    def withdraw(self, _work: Runnable) -> bool:
        return False  # none is in line

    def close(self) -> None:
        for _ in range(self.threads):
            self._queue.put(None)

    def _work(self) -> None:
        while run := self._queue.get():
            run()
            del run  # an idle thread would keep its last batch


def _run(work: Runnable, done: Done, loop: asyncio.AbstractEventLoop) -> None:
    """One callback leads back: a task and two futures would cost more.

    The failure has no name here: its traceback leads to this frame, which would hold it.
    """
    started_s = time.perf_counter()
    with suppress(RuntimeError):  # it was given up, and the event loop is closed
        loop.call_soon_threadsafe(done, _failure_of(work), time.perf_counter() - started_s)


def _failure_of(work: Runnable) -> Exception | None:
    try:
        work.run()
    except Exception as error:  # noqa: BLE001 - whoever handed it over decides what it means
        return error
    return None
