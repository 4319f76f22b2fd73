"""The time a request may take, and where that time went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

Stage = Literal["parse", "features", "queue", "encode", "compute", "render"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Deadline:
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


@dataclass(slots=True)
class StageTimes:
    """Seconds spent in each stage of one request."""

    seconds: dict[Stage, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: Stage) -> Iterator[None]:
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started_s)

    def add(self, stage: Stage, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
