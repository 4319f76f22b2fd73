"""One version that is served: what scores, and the queue in front of it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from msgspec import Struct
from prometheus_client import Counter

from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates, UserContext
from app.errors import CtrError, DeadlineExceeded, EngineFailed, NotNumbers
from app.features.encoder import Job
from app.inference.batch_policy import BatchPolicy
from app.inference.batcher import Batcher
from app.inference.cost_model import Size
from app.inference.fused.user_state_cache import UserStateCache
from app.monitoring.metrics import Metrics
from app.registry.exports.loading import RuntimeName
from app.registry.loaded_version import JobScores, LoadedVersion, PreparedBatch
from app.registry.parts import in_parts, joined
from app.registry.version_states import VersionKey


class ScoredRequest(Struct, frozen=True):
    """A job's scores and the batch that they were computed in."""

    scores: JobScores
    batch_jobs: int


class ScoreObserver(Protocol):
    """Learns of every request that a version was asked to score; must be quick, never raises."""

    def scored(
        self, user: UserContext, candidates: Candidates, scored: ScoredRequest, seconds: float
    ) -> None: ...

    def failed(self, user: UserContext, error: CtrError, seconds: float) -> None:
        """Late, or the engine could not."""
        ...


@dataclass(frozen=True, slots=True)
class Running:
    """How versions are run: the same for all of a process."""

    runtime: RuntimeName
    threads: int  # batches computed at the same time, per model
    user_states: UserStateCache


class Servable:
    """A version with a batcher of its own: versions never share a batch.

    Whoever holds it (`with servable:`) is scored by it, even if another version has taken over.
    """

    def __init__(
        self, version: LoadedVersion, policy: BatchPolicy, metrics: Metrics, running: Running
    ) -> None:
        self.version = version
        self.observers: tuple[ScoreObserver, ...] = ()
        self._max_pairs = policy.max_batch_pairs
        self._user_states = running.user_states
        self._shown = metrics.model_info
        self._threads = running.threads
        name = version.manifest.name
        self._holders = 0
        self._left = asyncio.Event()  # by the last holder
        self._batcher = Batcher(
            partial(_prepare, version, _unknown_by_field(version, metrics.unknown_ids)),
            version.runtime.open_workers(running.threads, name),
            policy,
            version.costs,
            metrics,
            name=name,
        )
        self._shown.labels(*_shown_labels(version)).set(1)

    @property
    def key(self) -> VersionKey:
        return VersionKey(self.version.manifest.name, self.version.manifest.version)

    def __enter__(self) -> "Servable":
        self._holders += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._holders -= 1
        if not self._holders:
            self._left.set()

    async def score(
        self, user: UserContext, candidates: Candidates, deadline: Deadline, times: StageTimes
    ) -> ScoredRequest:
        """Raises Overloaded, DeadlineExceeded, NotReady or EngineFailed."""
        if not self.observers:
            return await self.score_unobserved(user, candidates, deadline, times)
        asked_s = time.perf_counter()
        try:
            scored = await self.score_unobserved(user, candidates, deadline, times)
        except (DeadlineExceeded, EngineFailed) as error:
            for observer in self.observers:
                observer.failed(user, error, time.perf_counter() - asked_s)
            raise
        for observer in self.observers:
            observer.scored(user, candidates, scored, time.perf_counter() - asked_s)
        return scored

    async def score_unobserved(
        self, user: UserContext, candidates: Candidates, deadline: Deadline, times: StageTimes
    ) -> ScoredRequest:
        """For a copy of a request that nobody waits for. Raises as `score` does."""
        jobs = [(user, part) for part in in_parts(candidates, self._most_together(user))]
        answers = await self._batcher.submit(
            [(job, self.version.size_of(job)) for job in jobs], deadline=deadline
        )
        times.add("queue", max(answer.queue_s for answer in answers))
        times.add("encode", sum(answer.prepare_s for answer in answers))
        times.add("compute", max(answer.compute_s for answer in answers))
        scores = joined([answer.result for answer in answers])
        if np.count_nonzero(np.isfinite(scores.logits_C)) < len(scores.logits_C):
            raise NotNumbers("the engine gave scores that are not numbers")
        return ScoredRequest(scores, max(answer.batch_jobs for answer in answers))

    def _most_together(self, user: UserContext) -> int:
        """Candidates of one job: a long list goes in parts, between which others get their turn."""
        behaviors = min(len(user.behaviors), self.version.encoder.schema.max_behaviors)
        return max(1, self._max_pairs // Size(1, behaviors).pairs)

    def description(self) -> dict[str, str | int | None]:
        """For the log: which version, how it is run, and on what it was warmed up."""
        runtime = self.version.runtime
        return {
            "model": self.version.reference,
            "runtime": runtime.name,
            "runtime_detail": runtime.detail,
            "device": str(runtime.device),
            "engine_threads": self._threads,
            "warmed_up_on": " ".join(map(str, self.version.costs.measured_sizes)),
        }

    async def drain(self) -> None:
        """Answers whoever holds it, and forgets the users of this version."""
        while self._holders:
            self._left.clear()
            await self._left.wait()
        await self._batcher.drain()
        await asyncio.to_thread(self._user_states.forget, self.version.reference)
        self._shown.remove(*_shown_labels(self.version))


def _shown_labels(version: LoadedVersion) -> tuple[str, str, str, str]:
    manifest = version.manifest
    device = str(version.runtime.device)
    return manifest.name, manifest.version, manifest.architecture.name, device


def _unknown_by_field(version: LoadedVersion, unknown_ids: Counter) -> Mapping[str, Counter]:
    fields = version.encoder.schema.sparse_fields
    return {field.name: unknown_ids.labels(field.name) for field in fields}


def _prepare(
    version: LoadedVersion, unknown_ids: Mapping[str, Counter], jobs: Sequence[Job]
) -> PreparedBatch:
    """Not a method: a servable that refers to itself is freed late, if ever."""
    prepared = version.prepare(jobs)
    for field, count in prepared.encoded.unknown.by_field.items():
        unknown_ids[field].inc(count)
    return prepared
