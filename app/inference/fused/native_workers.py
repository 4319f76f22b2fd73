"""Batches to the kernel's own threads, and the event loop that hears of them."""

import asyncio
import ctypes
from typing import Protocol

from app.inference.workers import Done
from app.kernels.library import Kernel
from app.kernels.structures import Task
from app.kernels.workers import KernelWorkers


class NativeWork(Protocol):
    """Work that is one native call."""

    task: Task

    def failure(self) -> Exception | None:
        """Of the call, once it has returned."""
        ...


class NativeWorkers:
    """Computes without Python: while the loop parses and renders, no thread waits for its lock."""

    ahead = 1  # threads were idle for 5 % of the time between a batch and the loop's next one

    def __init__(self, kernel: Kernel, threads: int) -> None:
        self.threads = threads
        self._workers = KernelWorkers(kernel, threads)
        self._under_way: dict[int, tuple[NativeWork, Done]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, work: NativeWork, done: Done) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._workers.finished_fd, self._finish)
        self._under_way[ctypes.addressof(work.task)] = (work, done)
        self._workers.submit(work.task)

    def withdraw(self, work: NativeWork) -> bool:
        if not self._workers.withdraw(work.task):
            return False
        del self._under_way[ctypes.addressof(work.task)]
        return True

    def close(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._workers.finished_fd)
        self._workers.stop()

    def _finish(self) -> None:
        for address in self._workers.finished():
            work, done = self._under_way.pop(address)
            done(work.failure(), work.task.seconds)
