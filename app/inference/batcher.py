"""Jobs that wait on the event loop become batches that an engine thread computes."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from app.core.deadline import Deadline
from app.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from app.inference.batch_policy import BatchPolicy
from app.monitoring.metrics import Metrics

Job = TypeVar("Job")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Job, Result]):
    job: Job
    pairs: int
    future: "asyncio.Future[Answer[Result]]"
    queued_at_s: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """A job's result and how it came about."""

    result: Result
    queue_s: float
    batch_jobs: int


class Batcher(Generic[Job, Result]):
    """Holds a bounded queue and keeps every engine thread busy while there are jobs.

    `compute` runs on an engine thread and returns one result per job, in order. No timer closes a
    batch: while all threads compute, jobs gather; when one is free, it takes what has gathered.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Job]], Sequence[Result]],
        policy: BatchPolicy,
        metrics: Metrics,
        *,
        name: str,
        threads: int,
    ) -> None:
        self._compute = compute
        self._policy = policy
        self._name = name
        # Oldest first, and whoever gives up leaves at once, from anywhere in it.
        self._queue: OrderedDict[_Waiting[Job, Result], None] = OrderedDict()
        self._queued_pairs = 0
        self._all_threads = self._free_threads = threads
        self._draining = False
        self._idle = asyncio.Event()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"engine-{name}")
        self._batch_jobs = metrics.batch_jobs.labels(name)
        self._batch_pairs = metrics.batch_pairs.labels(name)
        self._failures = metrics.engine_failures.labels(name)
        metrics.queued_jobs.labels(name).set_function(lambda: len(self._queue))
        metrics.queued_pairs.labels(name).set_function(lambda: self._queued_pairs)

    async def submit(self, job: Job, *, pairs: int, deadline: Deadline) -> Answer[Result]:
        """Waits for the job's result, at most until the deadline.

        Raises Overloaded, DeadlineExceeded, NotReady (draining) or EngineFailed.
        """
        if self._draining:
            raise NotReady("the service is draining")
        if deadline.remaining_s() <= 0:
            raise DeadlineExceeded("there was no time left to score")
        if not self._policy.admits(self._queued_pairs, pairs):
            raise Overloaded(
                f"{self._queued_pairs} candidate-behavior pairs are queued, {pairs} more are over "
                f"the limit of {self._policy.max_queued_pairs}"
            )
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Job, Result] = _Waiting(job, pairs, loop.create_future())
        self._queue[waiting] = None
        self._queued_pairs += pairs
        self._start_batches()
        expiry = loop.call_later(deadline.remaining_s(), _expire, waiting)
        try:
            return await waiting.future
        finally:
            expiry.cancel()
            self._leave_queue(waiting)

    async def drain(self) -> None:
        """Finishes what was accepted, then ends the engine threads."""
        self._draining = True
        while self._free_threads < self._all_threads:
            self._idle.clear()
            await self._idle.wait()
        self._threads.shutdown(wait=False)

    def _start_batches(self) -> None:
        while self._free_threads and self._queue:
            batch = self._take_batch()
            if batch:
                self._free_threads -= 1
                self._batch_jobs.observe(len(batch))
                self._batch_pairs.observe(sum(waiting.pairs for waiting in batch))
                self._threads.submit(self._run, batch, asyncio.get_running_loop())

    def _take_batch(self) -> list[_Waiting[Job, Result]]:
        """The oldest jobs; without those whose client gave up in this turn of the loop."""
        count = self._policy.jobs_in_next_batch(waiting.pairs for waiting in self._queue)
        oldest = list(islice(self._queue, count))
        for waiting in oldest:
            self._leave_queue(waiting)
        return [waiting for waiting in oldest if not waiting.future.done()]

    def _leave_queue(self, waiting: _Waiting[Job, Result]) -> None:
        if waiting in self._queue:
            del self._queue[waiting]
            self._queued_pairs -= waiting.pairs

    def _run(self, batch: Sequence[_Waiting[Job, Result]], loop: asyncio.AbstractEventLoop) -> None:
        """On an engine thread. One callback leads back: a task and two futures cost more."""
        started_s = time.perf_counter()
        results = self._compute_each_if_together_fails([waiting.job for waiting in batch])
        loop.call_soon_threadsafe(self._finish, batch, results, started_s)

    def _finish(
        self,
        batch: Sequence[_Waiting[Job, Result]],
        results: Sequence[Result | EngineFailed],
        started_s: float,
    ) -> None:
        self._free_threads += 1
        self._start_batches()
        if self._free_threads == self._all_threads:
            self._idle.set()
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.done():
                continue
            if isinstance(result, EngineFailed):
                waiting.future.set_exception(result)
            else:
                queue_s = started_s - waiting.queued_at_s
                waiting.future.set_result(Answer(result, queue_s, len(batch)))

    def _compute_each_if_together_fails(
        self, jobs: Sequence[Job]
    ) -> Sequence[Result | EngineFailed]:
        """One job that the engine cannot compute must not take its neighbors with it."""
        try:
            return self._compute(jobs)
        except Exception as error:
            self._failures.inc()
            log.exception("a batch failed", extra={"model": self._name, "jobs": len(jobs)})
            if len(jobs) == 1:
                return [EngineFailed(f"the engine failed: {type(error).__name__}")]
        return [self._compute_each_if_together_fails([job])[0] for job in jobs]


def _expire(waiting: _Waiting[Job, Result]) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(DeadlineExceeded("the scores were not there in time"))
