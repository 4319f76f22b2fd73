"""One version that is served: what scores, and the queue in front of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates, UserContext
from app.features.encoder import Job
from app.inference.batch_policy import BatchPolicy
from app.inference.batcher import Batcher
from app.inference.choice import RuntimeName
from app.inference.cost_model import Size
from app.inference.fused.runtime import KeptStates
from app.inference.fused.user_state_cache import UserStateCache
from app.monitoring.metrics import Metrics
from app.registry.loaded_version import JobScores, LoadedVersion, PreparedBatch, load_version
from app.registry.model_store import Artifact
from app.registry.parts import in_parts, joined


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
        self._max_pairs = policy.max_batch_pairs
        self._unknown_ids = metrics.unknown_ids
        self._user_states = running.user_states
        self._threads = running.threads
        name = version.manifest.name
        self._batcher = Batcher(
            self._prepare,
            version.runtime.open_workers(running.threads, name),
            policy,
            version.costs,
            metrics,
            name=name,
        )

    async def score(
        self, user: UserContext, candidates: Candidates, deadline: Deadline, times: StageTimes
    ) -> ScoredRequest:
        """Raises Overloaded, DeadlineExceeded, NotReady or EngineFailed."""
        jobs = [(user, part) for part in in_parts(candidates, self._most_together(user))]
        answers = await self._batcher.submit(
            [(job, self.version.size_of(job)) for job in jobs], deadline=deadline
        )
        times.add("queue", max(answer.queue_s for answer in answers))
        times.add("encode", sum(answer.prepare_s for answer in answers))
        times.add("compute", max(answer.compute_s for answer in answers))
        return ScoredRequest(
            joined([answer.result for answer in answers]),
            max(answer.batch_jobs for answer in answers),
        )

    def _most_together(self, user: UserContext) -> int:
        """Candidates of one job: a long list goes in parts, between which others get their turn."""
        behaviors = min(len(user.behaviors), self.version.encoder.schema.max_behaviors)
        return max(1, self._max_pairs // Size(1, behaviors).pairs)

    def description(self) -> dict[str, str | int | None]:
        """For the log: which version, and how it is run."""
        manifest, runtime = self.version.manifest, self.version.runtime
        return {
            "model": f"{manifest.name}@{manifest.version}",
            "runtime": runtime.name,
            "runtime_detail": runtime.detail,
            "device": str(runtime.device),
            "engine_threads": self._threads,
        }

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
