"""Where CPU time goes: what is metered is charged its own time, without what it calls."""

import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

KERNEL_THREAD = "ctr-kernel"


def cpu_outside_of_kernel_s() -> float:
    """CPU time of this process but for the kernel's threads, of which Linux tells nanoseconds."""
    kernel_ns = 0
    for thread in Path("/proc/self/task").iterdir():
        if thread.joinpath("comm").read_text().strip() == KERNEL_THREAD:
            kernel_ns += int(thread.joinpath("schedstat").read_text().split()[0])
    return time.process_time() - kernel_ns / 1e9


class CpuMeter:
    """Nanoseconds of thread CPU time by stage; what is metered inside of a stage is not its own.

    A coroutine is charged for the steps it runs, not for the time it waits. A meter that is off
    costs two calls.
    """

    def __init__(self) -> None:
        self.on = False
        self.spent_ns: Counter[str] = Counter()
        self._thread = threading.local()

    def functions(self, stage: str, owner: Any, *names: str) -> None:  # noqa: ANN401 - any module
        """Charges every call of these attributes of a class or module to the stage."""
        for name in names:
            setattr(owner, name, self._metered(stage, getattr(owner, name)))

    def coroutines(self, stage: str, owner: Any, *names: str) -> None:  # noqa: ANN401
        for name in names:
            setattr(owner, name, self._metered_steps(stage, getattr(owner, name)))

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        if not self.on:
            yield
            return
        self._charge_current().append(stage)
        try:
            yield
        finally:
            self._charge_current().pop()

    def _charge_current(self) -> list[str]:
        """Whatever this thread was doing until now gets the time since the last call."""
        thread, now_ns = self._thread, time.thread_time_ns()
        if not hasattr(thread, "stages"):
            thread.stages = []
        stages: list[str] = thread.stages
        if stages:
            self.spent_ns[stages[-1]] += now_ns - thread.since_ns
        thread.since_ns = now_ns
        return stages

    def _metered(self, stage: str, function: Callable[..., object]) -> Callable[..., object]:
        @wraps(function)
        def metered(*args: object, **kwargs: object) -> object:
            if not self.on:
                return function(*args, **kwargs)
            with self.span(stage):
                return function(*args, **kwargs)

        return metered

    def _metered_steps(
        self, stage: str, function: Callable[..., Awaitable[object]]
    ) -> Callable[..., Coroutine[object, object, object]]:
        @wraps(function)
        async def metered(*args: object, **kwargs: object) -> object:
            if not self.on:
                return await function(*args, **kwargs)
            return await _Steps(self, stage, function(*args, **kwargs))

        return metered


class _Steps:
    """An awaitable whose every step is a span."""

    def __init__(self, meter: CpuMeter, stage: str, awaitable: Awaitable[object]) -> None:
        self._meter = meter
        self._stage = stage
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._awaitable.__await__()
        advance: Callable[[], object] = lambda: next(steps)  # noqa: E731 - replaced at each step
        while True:
            try:
                with self._meter.span(self._stage):
                    awaited = advance()
            except StopIteration as done:
                return done.value
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - a cancellation is handed on as it came
                advance = _raising(steps, error)
            else:
                advance = _sending(steps, sent)


def _sending(steps: Generator[Any, Any, object], sent: object) -> Callable[[], object]:
    return lambda: steps.send(sent)


def _raising(steps: Generator[Any, Any, object], error: BaseException) -> Callable[[], object]:
    return lambda: steps.throw(error)
