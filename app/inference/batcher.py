"""Jobs that wait on the event loop become batches that an engine thread computes."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct, field

from app.core.deadline import Deadline
from app.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from app.inference.batch_policy import BatchPolicy
from app.inference.cost_model import CostModel, Size
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


class _Waiting(Struct, Generic[Job, Result], eq=False):
    job: Job
    size: Size
    deadline: Deadline
    future: "asyncio.Future[Answer[Result] | _Unanswered]"
    queued_at_s: float = field(default_factory=time.perf_counter)
    batch: "_Batch[Job, Result] | None" = None  # while it is with the workers


class Answer(Struct, Generic[Result], frozen=True):
    """A job's result and how it came about."""

    result: Result
    queue_s: float
    prepare_s: float  # of the whole batch, as is the next
    compute_s: float
    batch_jobs: int


class _Unanswered(Struct, frozen=True):
    """Why a job has no answer. Not as an error: that would refer, by its traceback, to the frames
    of who asks, and those to the future that has it."""

    kind: type[DeadlineExceeded | EngineFailed]
    detail: str


TOO_LATE = _Unanswered(DeadlineExceeded, "the scores were not there in time")


@dataclass(slots=True, eq=False)
class _Batch(Generic[Job, Result]):
    jobs: Sequence[_Waiting[Job, Result]]
    prepared: Prepared[Result]
    taken_s: float
    prepare_s: float


class Batcher(Generic[Job, Result]):
    """Holds a bounded queue and keeps every engine thread busy while there are jobs.

    `prepare` makes a batch of jobs on the event loop; workers compute it beside the loop. No timer
    closes a batch: while all places are taken, jobs gather; when one is free, it takes what has
    gathered. Places are the workers' threads, and those of batches that wait ready for one; when
    all jobs of such a batch have been given up, it leaves its place.
    """

    def __init__(
        self,
        prepare: Callable[[Sequence[Job]], Prepared[Result]],
        workers: Workers[Any],
        policy: BatchPolicy,
        costs: CostModel,
        metrics: Metrics,
        *,
        name: str,
    ) -> None:
        self._prepare = prepare
        self._workers = workers
        self._policy = policy
        self._costs = costs
        self._name = name
        self._queue: set[_Waiting[Job, Result]] = set()  # whoever gives up leaves at once
        # Earliest deadline first, first come among equals; some in it have left the queue.
        self._by_deadline: list[tuple[float, int, _Waiting[Job, Result]]] = []
        self._arrivals = count()
        self._start_is_due = False
        self._alone: deque[_Waiting[Job, Result]] = deque()  # their batch failed
        self._queued_pairs = 0
        self._all_places = self._free_places = workers.threads + workers.ahead
        self._draining = False
        self._idle = asyncio.Event()
        self._batch_jobs = metrics.batch_jobs.labels(name)
        self._batch_pairs = metrics.batch_pairs.labels(name)
        self._prediction_ratio = metrics.prediction_ratio.labels(name)
        self._failures = metrics.engine_failures.labels(name)
        metrics.queues.add(name, self)

    @property
    def queued_jobs(self) -> int:
        return len(self._queue)

    @property
    def queued_pairs(self) -> int:
        return self._queued_pairs

    async def submit(
        self, jobs: Sequence[tuple[Job, Size]], *, deadline: Deadline
    ) -> list[Answer[Result]]:
        """Waits for the results of all jobs of one request, at most until the deadline.

        Raises Overloaded, DeadlineExceeded, NotReady (draining) or EngineFailed.
        """
        self._admit(sum(size.pairs for _, size in jobs), deadline)
        loop = asyncio.get_running_loop()
        request = [_Waiting(job, size, deadline, loop.create_future()) for job, size in jobs]
        for waiting in request:
            self._queue.add(waiting)
            heappush(self._by_deadline, (deadline.at_s, next(self._arrivals), waiting))
            self._queued_pairs += waiting.size.pairs
        self._start_soon(loop)
        expiry = loop.call_later(deadline.remaining_s(), _expire, request)
        try:
            return [_given(await waiting.future) for waiting in request]
        finally:
            expiry.cancel()
            for waiting in request:
                self._leave_queue(waiting)
                waiting.future.cancel()
                if waiting.batch is not None:
                    self._withdraw_if_abandoned(waiting.batch, loop)

    def _admit(self, pairs: int, deadline: Deadline) -> None:
        if self._draining:
            raise NotReady("the service is draining")
        if deadline.remaining_s() <= 0:
            raise DeadlineExceeded("there was no time left to score")
        if not self._policy.admits(self._queued_pairs, pairs):
            raise Overloaded(
                f"{self._queued_pairs} candidate-behavior pairs are queued, {pairs} more are over "
                f"the limit of {self._policy.max_queued_pairs}"
            )

    async def drain(self) -> None:
        """Finishes what was accepted, then ends the engine threads."""
        self._draining = True
        while self._free_places < self._all_places or self._queue:
            self._idle.clear()
            await self._idle.wait()
        self._workers.close()

    def _start_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """What comes in one turn of the loop, as from one round trip to Redis, starts together."""
        if self._free_places and not self._start_is_due:
            self._start_is_due = True
            loop.call_soon(self._start_batches)

    def _start_batches(self) -> None:
        self._start_is_due = False
        while self._free_places and (self._alone or self._queue):
            batch = [self._alone.popleft()] if self._alone else self._take_batch()
            # Whoever gave up in this turn of the loop is still in the queue.
            present = [waiting for waiting in batch if not waiting.future.done()]
            if present:
                self._start(present)
        if self._free_places == self._all_places and not self._queue:
            self._idle.set()

    def _take_batch(self) -> list[_Waiting[Job, Result]]:
        """The jobs that are due first, as many as one thread should take."""
        batch: list[_Waiting[Job, Result]] = []
        taken_pairs = 0
        while self._by_deadline:
            first = self._by_deadline[0][-1]
            waits = first in self._queue
            if waits and not self._policy.takes(
                taken_pairs,
                first.size.pairs,
                queued_pairs=self._queued_pairs,
                free_threads=min(self._free_places, self._workers.threads),
            ):
                break
            heappop(self._by_deadline)
            if waits:
                batch.append(first)
                taken_pairs += first.size.pairs
                self._leave_queue(first)
        return batch

    def _leave_queue(self, waiting: _Waiting[Job, Result]) -> None:
        if waiting in self._queue:
            self._queue.remove(waiting)
            self._queued_pairs -= waiting.size.pairs
            if len(self._by_deadline) > 2 * len(self._queue) + 64:
                self._by_deadline = [one for one in self._by_deadline if one[-1] in self._queue]
                heapify(self._by_deadline)

    def _start(self, jobs: Sequence[_Waiting[Job, Result]]) -> None:
        taken_s = time.perf_counter()
        try:
            prepared = self._prepare([waiting.job for waiting in jobs])
        except Exception as error:  # noqa: BLE001 - it belongs to these jobs
            self._fail(jobs, error)
            return
        self._batch_jobs.observe(len(jobs))
        self._batch_pairs.observe(sum(waiting.size.pairs for waiting in jobs))
        self._free_places -= 1
        batch = _Batch(jobs, prepared, taken_s, time.perf_counter() - taken_s)
        for waiting in jobs:
            waiting.batch = batch
        self._workers.start(prepared.work, partial(self._finish, batch))

    def _withdraw_if_abandoned(
        self, batch: _Batch[Job, Result], loop: asyncio.AbstractEventLoop
    ) -> None:
        """Nothing is learned from it and nothing kept: it is as if it had never been started."""
        is_abandoned = all(waiting.future.done() for waiting in batch.jobs)
        if is_abandoned and self._workers.withdraw(batch.prepared.work):
            self._leave_place(batch)
            self._start_soon(loop)

    def _leave_place(self, batch: _Batch[Job, Result]) -> None:
        self._free_places += 1
        for waiting in batch.jobs:
            waiting.batch = None

    def _finish(
        self, batch: _Batch[Job, Result], failure: Exception | None, compute_s: float
    ) -> None:
        self._leave_place(batch)
        self._start_batches()  # first of all: the engine should not wait for what follows
        if failure is None:
            self._learn(batch, compute_s)
            failure = self._answer(batch, compute_s)
        if failure is not None:
            self._fail(batch.jobs, failure)
            del failure  # its traceback may lead to this frame
            self._start_batches()
        if self._free_places == self._all_places and not self._queue:
            self._idle.set()

    def _learn(self, batch: _Batch[Job, Result], compute_s: float) -> None:
        sizes = [waiting.size for waiting in batch.jobs]
        self._prediction_ratio.observe(compute_s / self._costs.predict_s(sizes))
        self._costs.learn(sizes, compute_s)

    def _answer(self, batch: _Batch[Job, Result], compute_s: float) -> Exception | None:
        """Why the results are not those of the jobs, if so: nobody shall wait for them in vain."""
        try:
            answered = list(zip(batch.jobs, batch.prepared.results(), strict=True))
        except Exception as error:  # noqa: BLE001 - it belongs to these jobs
            return error
        under_way_s = time.perf_counter() - batch.taken_s
        waited_s = max(0.0, under_way_s - batch.prepare_s - compute_s)  # for a thread, or the loop
        for waiting, result in answered:
            if not waiting.future.done():
                queue_s = batch.taken_s + waited_s - waiting.queued_at_s
                waiting.future.set_result(
                    Answer(result, queue_s, batch.prepare_s, compute_s, len(batch.jobs))
                )
        return None

    def _fail(self, jobs: Sequence[_Waiting[Job, Result]], error: Exception) -> None:
        """One job that the engine cannot compute must not take its neighbors with it."""
        self._failures.inc()
        log.error("a batch failed", exc_info=error, extra={"model": self._name, "jobs": len(jobs)})
        if len(jobs) > 1:
            self._alone.extend(jobs)
        elif not jobs[0].future.done():
            detail = f"the engine failed: {type(error).__name__}"
            jobs[0].future.set_result(_Unanswered(EngineFailed, detail))


def _given(answer: Answer[Result] | _Unanswered) -> Answer[Result]:
    """Raises why there is none."""
    if isinstance(answer, _Unanswered):
        raise answer.kind(answer.detail)
    return answer


def _expire(request: Sequence[_Waiting[Any, Any]]) -> None:
    for waiting in request:
        if not waiting.future.done():
            waiting.future.set_result(TOO_LATE)
