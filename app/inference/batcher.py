"""Jobs that wait on the event loop become batches that an engine thread computes."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from app.core.deadline import Deadline
from app.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from app.inference.batch_policy import BatchPolicy
from app.inference.workers import Workers
from app.monitoring.metrics import Metrics

Job = TypeVar("Job")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

log = logging.getLogger(__name__)


class Prepared(Protocol[Result_co]):
    """A batch that is ready for the workers."""

    @property
    def work(self) -> Any:  # noqa: ANN401 - whatever the workers take
        ...

    def results(self) -> Sequence[Result_co]:
        """One for each job, in their order, once the work is done."""
        ...


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
    prepare_s: float  # of the whole batch, as is the next
    compute_s: float
    batch_jobs: int


@dataclass(slots=True)
class _Batch(Generic[Job, Result]):
    jobs: Sequence[_Waiting[Job, Result]]
    prepared: Prepared[Result]
    taken_s: float
    prepare_s: float


class Batcher(Generic[Job, Result]):
    """Holds a bounded queue and keeps every engine thread busy while there are jobs.

    `prepare` makes a batch of jobs on the event loop; workers compute it beside the loop. No timer
    closes a batch: while all threads compute, jobs gather; when one is free, it takes what has
    gathered.
    """

    def __init__(
        self,
        prepare: Callable[[Sequence[Job]], Prepared[Result]],
        workers: Workers[Any],
        policy: BatchPolicy,
        metrics: Metrics,
        *,
        name: str,
        threads: int,
    ) -> None:
        self._prepare = prepare
        self._workers = workers
        self._policy = policy
        self._name = name
        # Oldest first, and whoever gives up leaves at once, from anywhere in it.
        self._queue: OrderedDict[_Waiting[Job, Result], None] = OrderedDict()
        self._alone: deque[_Waiting[Job, Result]] = deque()  # their batch failed
        self._queued_pairs = 0
        self._all_threads = self._free_threads = threads
        self._draining = False
        self._idle = asyncio.Event()
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
        self._workers.close()

    def _start_batches(self) -> None:
        while self._free_threads and (self._alone or self._queue):
            batch = self._take_batch()
            if batch:
                self._start(batch)

    def _take_batch(self) -> list[_Waiting[Job, Result]]:
        """The oldest jobs; without those whose client gave up in this turn of the loop."""
        if self._alone:
            oldest = [self._alone.popleft()]
        else:
            count = self._policy.jobs_in_next_batch(waiting.pairs for waiting in self._queue)
            oldest = list(islice(self._queue, count))
            for waiting in oldest:
                self._leave_queue(waiting)
        return [waiting for waiting in oldest if not waiting.future.done()]

    def _start(self, jobs: Sequence[_Waiting[Job, Result]]) -> None:
        taken_s = time.perf_counter()
        try:
            prepared = self._prepare([waiting.job for waiting in jobs])
        except Exception as error:  # noqa: BLE001 - it belongs to these jobs
            self._fail(jobs, error)
            return
        self._batch_jobs.observe(len(jobs))
        self._batch_pairs.observe(sum(waiting.pairs for waiting in jobs))
        self._free_threads -= 1
        batch = _Batch(jobs, prepared, taken_s, time.perf_counter() - taken_s)
        self._workers.start(prepared.work, partial(self._finish, batch))

    def _leave_queue(self, waiting: _Waiting[Job, Result]) -> None:
        if waiting in self._queue:
            del self._queue[waiting]
            self._queued_pairs -= waiting.pairs

    def _finish(
        self, batch: _Batch[Job, Result], failure: Exception | None, compute_s: float
    ) -> None:
        self._free_threads += 1
        self._start_batches()  # first of all: the engine should not wait for what follows
        if failure is None:
            self._answer(batch, compute_s)
        else:
            self._fail(batch.jobs, failure)
            self._start_batches()
        if self._free_threads == self._all_threads:
            self._idle.set()

    def _answer(self, batch: _Batch[Job, Result], compute_s: float) -> None:
        for waiting, result in zip(batch.jobs, batch.prepared.results(), strict=True):
            if not waiting.future.done():
                queue_s = batch.taken_s - waiting.queued_at_s
                waiting.future.set_result(
                    Answer(result, queue_s, batch.prepare_s, compute_s, len(batch.jobs))
                )

    def _fail(self, jobs: Sequence[_Waiting[Job, Result]], error: Exception) -> None:
        """One job that the engine cannot compute must not take its neighbors with it."""
        self._failures.inc()
        log.error("a batch failed", exc_info=error, extra={"model": self._name, "jobs": len(jobs)})
        if len(jobs) > 1:
            self._alone.extend(jobs)
        elif not jobs[0].future.done():
            failed = EngineFailed(f"the engine failed: {type(error).__name__}")
            jobs[0].future.set_exception(failed)


def _expire(waiting: _Waiting[Job, Result]) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(DeadlineExceeded("the scores were not there in time"))
