"""Stand-ins at the seams: engines and a store that do nothing until a test lets them, or fail."""

import asyncio
import threading
from collections.abc import Sequence
from functools import partial

import torch

from app.core.batch import RaggedBatch, Scores
from app.core.deadline import Deadline
from app.inference.admission import Ticket
from app.inference.batch_policy import BatchPolicy
from app.inference.batcher import Answer, Batcher
from app.inference.cost_model import CostModel, Size
from app.inference.engine import Engine
from app.inference.runtime import Runtime
from app.inference.workers import ThreadWorkers
from app.monitoring.metrics import Metrics

WAIT_S = 30.0  # longer than any test needs; past it the test has failed


class HeldEngine:
    """Computes batches: says which one it works on and holds it until it is let go.

    A job is its own result, in upper case. Jobs that begin with "bad" cannot be computed.
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self._begun = threading.Semaphore(0)
        self._may_finish = threading.Semaphore(0)

    def __call__(self, jobs: Sequence[str]) -> list[str]:
        self.batches.append(list(jobs))
        self.threads.add(threading.current_thread().name)
        self._begun.release()
        assert self._may_finish.acquire(timeout=WAIT_S), "nobody let the engine go"
        if any(job.startswith("bad") for job in jobs):
            raise ValueError(f"cannot compute {jobs}")
        return [job.upper() for job in jobs]

    async def begins(self) -> None:
        """Returns once the engine works on one more batch."""
        assert await asyncio.to_thread(self._begun.acquire, timeout=WAIT_S), "no batch was started"

    def let_go(self, batches: int = 1) -> None:
        self._may_finish.release(batches)


class HeldBatch:
    """What a batcher prepares: its work is a call of the engine.

    A job that is "unreadable" cannot be prepared, and one that is "lost" has no result.
    """

    def __init__(self, engine: HeldEngine, jobs: Sequence[str]) -> None:
        if "unreadable" in jobs:
            raise KeyError(jobs)
        self._engine = engine
        self._jobs = jobs
        self._results: list[str] = []

    @property
    def work(self) -> "HeldBatch":
        return self

    def run(self) -> None:
        self._results = self._engine(self._jobs)

    def results(self) -> list[str]:
        return [result for result in self._results if result != "LOST"]


def held_batcher(
    engine: HeldEngine, policy: BatchPolicy, metrics: Metrics, *, threads: int = 1, ahead: int = 0
) -> Batcher[str, str]:
    """A batcher called "fake" before that engine."""
    workers = ThreadWorkers(threads, "fake")
    workers.ahead = ahead
    prepare = partial(HeldBatch, engine)
    costs = CostModel([(Size(1, 0), 1e-3)])
    return Batcher(prepare, workers, policy, costs, metrics, name="fake")


async def ask(
    batcher: Batcher[str, str], job: str, *, pairs: int = 1, within_s: float = WAIT_S
) -> Answer[str]:
    """One job that costs so much."""
    jobs = [(job, Size(pairs, 0))]
    (answer,) = await batcher.submit(jobs, deadline=Deadline.after(within_s))
    return answer


class HeldReads:
    """A coalesced reader's `read_many`: records the keys of each round trip and holds it.

    A key is its own value, in upper case.
    """

    def __init__(self) -> None:
        self.round_trips: list[list[str]] = []
        self.failure: Exception | None = None
        self._begun = asyncio.Semaphore(0)
        self._may_finish = asyncio.Semaphore(0)

    async def __call__(self, keys: Sequence[str]) -> list[str]:
        self.round_trips.append(list(keys))
        self._begun.release()
        await self._may_finish.acquire()
        if self.failure is not None:
            raise self.failure
        return [key.upper() for key in keys]

    async def begins(self) -> None:
        """Returns once one more round trip is under way."""
        async with asyncio.timeout(WAIT_S):
            await self._begun.acquire()

    def let_go(self, round_trips: int = 1) -> None:
        for _ in range(round_trips):
            self._may_finish.release()


class FailingEngine(Engine):
    """A runtime that cannot compute anything."""

    def __init__(self) -> None:
        self.device, self.detail = torch.device("cpu"), None

    def score(self, batch: RaggedBatch) -> Scores:
        raise RuntimeError("the engine is broken")


class StuckEngine(Engine):
    """A runtime that computes nothing until it is let go, and then as `inner` does."""

    def __init__(self, inner: Runtime) -> None:
        self.device, self.detail = inner.device, None
        self._inner = inner
        self._may_go_on = threading.Event()

    def score(self, batch: RaggedBatch) -> Scores:
        assert self._may_go_on.wait(timeout=WAIT_S), "nobody let the engine go"
        return self._inner.score(batch)

    def let_go(self) -> None:
        self._may_go_on.set()


def ticket_until(deadline: Deadline) -> Ticket:
    """Of a request that came in when there was nothing else to do."""
    return Ticket("normal", deadline, 0.0)
