"""The kernel's own threads: tasks go in without waiting, finished ones are announced by a pipe."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress

from app.kernels.library import Kernel
from app.kernels.structures import Task


class KernelWorkers:
    """Threads that know nothing of Python, so that none of them ever waits for its lock."""

    def __init__(self, kernel: Kernel, threads: int) -> None:
        """Raises OSError if the system has no more threads or descriptors."""
        self._library = kernel.library
        self.finished_fd, self._announcing_fd = os.pipe()
        for end in (self.finished_fd, self._announcing_fd):
            os.set_blocking(end, False)
        self._pool = self._library.ctr_start_workers(threads, self._announcing_fd)
        if not self._pool:
            self._close_pipe()
            raise OSError(f"{threads} engine threads could not be started")

    def submit(self, task: Task) -> None:
        """`task`, and all it points to, must stay as they are until it is finished."""
        self._library.ctr_submit(self._pool, ctypes.byref(task))

    def withdraw(self, task: Task) -> bool:
        """Whether it was still in line: then it is no longer, and will never be finished."""
        return bool(self._library.ctr_withdraw(self._pool, ctypes.byref(task)))

    def finished(self) -> Iterator[int]:
        """Addresses of the tasks that have been finished since the last time."""
        with suppress(BlockingIOError):  # announced, but taken together with one before
            os.read(self.finished_fd, 4096)
        while address := self._library.ctr_finished(self._pool):
            yield address

    def stop(self) -> None:
        """Waits for what is being computed; what is still in line never will be."""
        if self._pool:
            self._library.ctr_stop_workers(self._pool)
            self._pool = None
            self._close_pipe()

    def _close_pipe(self) -> None:
        os.close(self.finished_fd)
        os.close(self._announcing_fd)
