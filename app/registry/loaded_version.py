"""One version in memory: encoder and engine, scoring requests on the thread that asks."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from msgspec import Struct

from app.core.batch import Doubles, Floats, Scores
from app.core.request import Candidates, UserContext
from app.errors import ArtifactRefused
from app.features.encoder import EncodedRequests, Encoder, Job
from app.inference.cost_model import CostModel, Size
from app.inference.fused.runtime import KeptStates
from app.inference.runtime import Runtime, Work
from app.registry.exports.loading import RuntimeName, load_runtime
from app.registry.golden import verify
from app.registry.manifest import Manifest
from app.registry.model_store import Artifact
from app.registry.priors import Priors
from app.registry.warmup import warm_up


class JobScores(Struct, frozen=True):
    """The model's answer to one request: C candidates, T behaviors that were used."""

    logits_C: Floats
    attention_CT: Floats
    unknown_behaviors: int  # items that the model does not know
    unknown_candidates: int

    @property
    def unknown_items(self) -> int:
        return self.unknown_behaviors + self.unknown_candidates


class PreparedBatch(Struct, frozen=True):
    """Requests that are encoded; their scores are there once the work has run."""

    encoded: EncodedRequests
    work: Work

    def results(self) -> Sequence[JobScores]:
        """In the order of the requests."""
        scores = self.work.scores()
        return list(_per_job(self.encoded, scores))


class PriorScores(Struct, frozen=True):
    """What is said of C candidates without the model."""

    ctr_C: Doubles
    unknown_items: int


NOBODY = UserContext("")


class LoadedVersion:
    """An id means something only with its own table: encoder and engine belong together."""

    def __init__(
        self,
        manifest: Manifest,
        encoder: Encoder,
        runtime: Runtime,
        priors: Priors,
        costs: CostModel,
    ) -> None:
        self.manifest = manifest
        self.encoder = encoder
        self.runtime = runtime
        self.priors = priors
        self.costs = costs

    @property
    def reference(self) -> str:
        """`NAME@VERSION`."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def size_of(self, job: Job) -> Size:
        """What it is computed for: a model looks at the newest behaviors only."""
        user, candidates = job
        behaviors = min(len(user.behaviors), self.encoder.schema.max_behaviors)
        return Size(len(candidates), behaviors)

    def prepare(self, jobs: Sequence[Job]) -> PreparedBatch:
        """One user and at least one candidate per request."""
        encoded = self.encoder.encode(jobs)
        work = self.runtime.prepare(encoded.batch, [user.user_id for user, _ in jobs])
        return PreparedBatch(encoded, work)

    def score(self, jobs: Sequence[Job]) -> Sequence[JobScores]:
        """Blocks until the scores are there."""
        prepared = self.prepare(jobs)
        prepared.work.run()
        return prepared.results()

    def prior_of(self, candidates: Candidates) -> PriorScores:
        """Of at least one candidate, whoever is asked: no engine, so the event loop may call it."""
        encoded = self.encoder.encode([(NOBODY, candidates)])
        ctr_C = self.priors.ctr_of(encoded.batch.candidates_CF)
        return PriorScores(ctr_C, encoded.unknown.candidates_U[0])


def load_version(
    artifact: Artifact,
    device: torch.device,
    runtime: RuntimeName = "auto",
    kept: KeptStates | None = None,
    *,
    recorded: Iterable[Size] = (),
) -> LoadedVersion:
    """Builds, self-tests against the golden requests and warms up, on `recorded` sizes too.

    Raises ArtifactRefused, or StartupRefused for a runtime that cannot be had.
    """
    manifest = artifact.manifest
    encoder = Encoder(manifest.features, artifact.vocabularies)
    engine, tolerance = load_runtime(artifact, runtime, device, kept)
    try:
        verify(artifact.golden, encoder, engine.score, manifest.calibration, tolerance)
    except ArtifactRefused as refused:
        raise ArtifactRefused(f"{manifest.name}@{manifest.version}: {refused}") from None
    costs = CostModel(warm_up(engine, manifest.features, recorded))
    return LoadedVersion(manifest, encoder, engine, artifact.priors, costs)


def _per_job(encoded: EncodedRequests, scores: Scores) -> Iterator[JobScores]:
    """Each job's own rows, without the steps that only a longer neighbor has."""
    end = 0
    for count, length, behaviors, candidates in zip(
        encoded.candidates_U,
        encoded.batch.lengths_U.tolist(),
        encoded.unknown.behaviors_U,
        encoded.unknown.candidates_U,
        strict=True,
    ):
        end += count
        rows = slice(end - count, end)
        yield JobScores(
            scores.logits_C[rows], scores.attention_CT[rows, :length], behaviors, candidates
        )
