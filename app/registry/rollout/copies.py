"""Copies of requests for the version that did not answer: few at a time, none under pressure."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import Counter

from app.core.batch import Floats
from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates, UserContext
from app.errors import CtrError, DeadlineExceeded, NotReady, Overloaded
from app.inference.admission import Admission
from app.registry.servable import Servable

CopyOutcome = Literal["scored", "busy", "late", "failed"]
COPY_OUTCOMES: tuple[CopyOutcome, ...] = ("scored", "busy", "late", "failed")
COPY_BUDGET_S = 1.0  # longer than requests have: theirs is computed first

# With the scores of a copy, or the error that it met, and after how many seconds.
WhenScored = Callable[[Floats, float], None]
WhenFailed = Callable[[CtrError, float], None]


@dataclass(frozen=True, slots=True)
class CopyRoom:
    """What there is to know of how busy the service is."""

    admission: Admission
    threads: int  # that compute batches

    @property
    def is_full(self) -> bool:
        """Somebody would have to wait."""
        return self.admission.in_flight > self.threads


class Copies:
    """A copy is made once its request is scored, and only while an engine thread has nothing to do.

    So nobody waits for one: it is dropped when more requests are in flight than there are threads,
    or when half of them compute copies already.
    """

    def __init__(self, room: CopyRoom, *, outcomes: Counter, name: str) -> None:
        self._room = room
        self._count = {one: outcomes.labels(name, one) for one in COPY_OUTCOMES}
        self._tasks: set[asyncio.Task[Any]] = set()

    def score(
        self,
        servable: Servable,
        user: UserContext,
        candidates: Candidates,
        when_scored: WhenScored,
        when_failed: WhenFailed,
    ) -> None:
        """Soon, or not at all."""
        if self._room.is_full or len(self._tasks) >= max(1, self._room.threads // 2):
            self._count["busy"].inc()
            return
        copy = self._score(servable, user, candidates, when_scored, when_failed)
        task = asyncio.get_running_loop().create_task(copy)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Gives up those under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _score(
        self,
        servable: Servable,
        user: UserContext,
        candidates: Candidates,
        when_scored: WhenScored,
        when_failed: WhenFailed,
    ) -> None:
        asked_s = time.perf_counter()
        try:
            with servable:
                scored = await servable.score_unobserved(
                    user, candidates, Deadline.after(COPY_BUDGET_S), StageTimes()
                )
        except (DeadlineExceeded, Overloaded, NotReady):
            self._count["late"].inc()
        except CtrError as error:
            self._count["failed"].inc()
            when_failed(error, time.perf_counter() - asked_s)
        else:
            self._count["scored"].inc()
            when_scored(scored.scores.logits_C, time.perf_counter() - asked_s)
