"""One version that is served: what scores, and the queue in front of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates, UserContext
from app.features.encoder import Job
from app.inference.batch_policy import BatchPolicy, cost_in_pairs
from app.inference.batcher import Batcher
from app.inference.choice import RuntimeName
from app.inference.fused.runtime import KeptStates
from app.inference.fused.user_state_cache import UserStateCache
from app.monitoring.metrics import Metrics
from app.registry.loaded_version import JobScores, LoadedVersion, PreparedBatch, load_version
from app.registry.model_store import Artifact


@dataclass(frozen=True, slots=True)
class ScoredRequest:
    """A job's scores and the batch that they were computed in."""

    scores: JobScores
    batch_jobs: int


@dataclass(frozen=True, slots=True)
class Running:
    """How versions are run: the same for all of a process."""

    runtime: RuntimeName
    threads: int  # batches computed at the same time, per model
    user_states: UserStateCache


class Servable:
    """A version with a batcher of its own: versions never share a batch."""

    def __init__(
        self, version: LoadedVersion, policy: BatchPolicy, metrics: Metrics, running: Running
    ) -> None:
        self.version = version
        self._unknown_ids = metrics.unknown_ids
        self._user_states = running.user_states
        name = version.manifest.name
        self._batcher = Batcher(
            self._prepare,
            version.runtime.open_workers(running.threads, name),
            policy,
            metrics,
            name=name,
            threads=running.threads,
        )

    async def score(
        self, user: UserContext, candidates: Candidates, deadline: Deadline, times: StageTimes
    ) -> ScoredRequest:
        """Raises Overloaded, DeadlineExceeded, NotReady or EngineFailed."""
        behaviors = min(len(user.behaviors), self.version.encoder.schema.max_behaviors)
        answer = await self._batcher.submit(
            (user, candidates),
            pairs=cost_in_pairs(candidates=len(candidates), behaviors=behaviors),
            deadline=deadline,
        )
        times.add("queue", answer.queue_s)
        times.add("encode", answer.prepare_s)
        times.add("compute", answer.compute_s)
        return ScoredRequest(answer.result, answer.batch_jobs)

    async def drain(self) -> None:
        """Answers what was accepted, and forgets the users of this version."""
        await self._batcher.drain()
        manifest = self.version.manifest
        self._user_states.forget(f"{manifest.name}@{manifest.version}")

    def _prepare(self, jobs: Sequence[Job]) -> PreparedBatch:
        prepared = self.version.prepare(jobs)
        for field, count in prepared.encoded.unknown_ids.items():
            self._unknown_ids.labels(field).inc(count)
        return prepared


def load_servable(
    artifact: Artifact,
    device: torch.device,
    policy: BatchPolicy,
    metrics: Metrics,
    running: Running,
) -> Servable:
    """Loads the version and opens its queue. Raises ArtifactRefused or StartupRefused."""
    manifest = artifact.manifest
    kept = KeptStates(running.user_states, f"{manifest.name}@{manifest.version}")
    version = load_version(artifact, device, running.runtime, kept)
    metrics.model_info.labels(
        manifest.name, manifest.version, manifest.architecture.name, str(device)
    ).set(1)
    return Servable(version, policy, metrics, running)
