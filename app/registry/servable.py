"""One version, ready to score: its encoder, its engine and the queue in front of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.core.batch import Floats
from app.core.deadline import Deadline, StageTimes
from app.core.request import Candidates, UserContext
from app.errors import ArtifactRefused
from app.features.encoder import EncodedRequests, Encoder
from app.inference.batch_policy import BatchPolicy, cost_in_pairs
from app.inference.batcher import Batcher
from app.inference.engine import Engine
from app.monitoring.metrics import Metrics
from app.registry.golden import verify
from app.registry.manifest import Manifest
from app.registry.model_store import Artifact
from app.registry.trained_model import trained_model
from app.registry.warmup import warm_up

Job = tuple[UserContext, Candidates]


@dataclass(frozen=True, slots=True)
class JobScores:
    """The model's answer to one request: C candidates, T behaviors that were used."""

    logits_C: Floats
    attention_CT: Floats
    unknown_items: int
    encode_s: float
    compute_s: float


@dataclass(frozen=True, slots=True)
class ScoredRequest:
    """A job's scores and the batch that they were computed in."""

    scores: JobScores
    batch_jobs: int


class Servable:
    """Encoder, batcher and engine of one version: an id means something only with its own table."""

    def __init__(
        self,
        manifest: Manifest,
        encoder: Encoder,
        engine: Engine,
        policy: BatchPolicy,
        metrics: Metrics,
        *,
        threads: int,
    ) -> None:
        self.manifest = manifest
        self.encoder = encoder
        self.device = engine.device
        self.runtime = engine.runtime
        self._engine = engine
        self._unknown_ids = metrics.unknown_ids
        self._batcher = Batcher(
            self._score_jobs, policy, metrics, name=manifest.name, threads=threads
        )

    async def score(
        self, user: UserContext, candidates: Candidates, deadline: Deadline, times: StageTimes
    ) -> ScoredRequest:
        """Raises Overloaded, DeadlineExceeded, NotReady or EngineFailed."""
        behaviors = min(len(user.behaviors), self.encoder.schema.max_behaviors)
        answer = await self._batcher.submit(
            (user, candidates),
            pairs=cost_in_pairs(candidates=len(candidates), behaviors=behaviors),
            deadline=deadline,
        )
        times.add("queue", answer.queue_s)
        times.add("encode", answer.result.encode_s)
        times.add("compute", answer.result.compute_s)
        return ScoredRequest(answer.result, answer.batch_jobs)

    async def drain(self) -> None:
        await self._batcher.drain()

    def _score_jobs(self, jobs: Sequence[Job]) -> list[JobScores]:
        started_s = time.perf_counter()
        encoded = self.encoder.encode(jobs)
        encoded_s = time.perf_counter()
        scores = self._engine.score(encoded.batch)
        compute_s = time.perf_counter() - encoded_s
        for field, count in encoded.unknown_ids.items():
            self._unknown_ids.labels(field).inc(count)
        return [
            JobScores(logits_C, attention_CT, unknown, encoded_s - started_s, compute_s)
            for logits_C, attention_CT, unknown in _per_job(
                encoded, scores.logits_C, scores.attention_CT
            )
        ]


def load_servable(
    artifact: Artifact,
    device: torch.device,
    policy: BatchPolicy,
    metrics: Metrics,
    *,
    threads: int,
) -> Servable:
    """Builds, self-tests against the golden requests and warms up. Raises ArtifactRefused."""
    manifest = artifact.manifest
    encoder = Encoder(manifest.features, artifact.vocabularies)
    engine = Engine(trained_model(artifact).to(device), device)
    try:
        verify(artifact.golden, encoder, engine.score, manifest.calibration)
    except ArtifactRefused as refused:
        raise ArtifactRefused(f"{manifest.name}@{manifest.version}: {refused}") from None
    warm_up(engine, manifest.features)
    metrics.model_info.labels(
        manifest.name, manifest.version, manifest.architecture.name, str(device)
    ).set(1)
    return Servable(manifest, encoder, engine, policy, metrics, threads=threads)


def _per_job(
    encoded: EncodedRequests, logits_C: Floats, attention_CT: Floats
) -> list[tuple[Floats, Floats, int]]:
    """Each job's own rows, without the steps that only a longer neighbor has."""
    candidates_U = np.bincount(encoded.batch.user_of_C, minlength=len(encoded.batch.lengths_U))
    ends: NDArray[np.int64] = np.cumsum(candidates_U)
    return [
        (logits_C[end - count : end], attention_CT[end - count : end, :length], int(unknown))
        for end, count, length, unknown in zip(
            ends, candidates_U, encoded.batch.lengths_U, encoded.unknown_items_U, strict=True
        )
    ]
