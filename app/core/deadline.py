"""The time a request may take, and where that time went."""

import time
from typing import Literal, get_args

from msgspec import Struct

Stage = Literal["parse", "features", "queue", "encode", "compute", "render"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Deadline(Struct, frozen=True):
    """A point on the monotonic clock after which nobody waits for the answer."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def earlier(self, seconds: float) -> "Deadline":
        """One that leaves so much time until this one."""
        return Deadline(self.at_s - seconds)

    def remaining_s(self) -> float:
        """Negative once it has passed."""
        return self.at_s - time.monotonic()


class StageTimes(Struct):
    """Seconds spent in each stage of one request."""

    seconds: dict[Stage, float] = {}

    def measure(self, stage: Stage) -> "_Measured":
        """As a context: what happens in it is that stage."""
        return _Measured(self, stage)

    def add(self, stage: Stage, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


class _Measured:
    """Not a generator with a decorator, which would take longer than some stages."""

    __slots__ = ("_stage", "_started_s", "_times")

    def __init__(self, times: StageTimes, stage: Stage) -> None:
        self._times = times
        self._stage = stage

    def __enter__(self) -> None:
        self._started_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._times.add(self._stage, time.perf_counter() - self._started_s)
