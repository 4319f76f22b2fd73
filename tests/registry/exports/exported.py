"""Small versions with held-out samples, and what it takes to export them."""

from pathlib import Path

import numpy as np
import torch

from app.registry.activation import write_active
from app.registry.exports.held_out import HeldOut
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import Artifact, ModelStore
from app.registry.publishing import publish
from tests.artifacts import publish_tiny_version
from tests.registry.servables import draw_requests
from tests.registry.versions import as_new

CPU = torch.device("cpu")


def publish_with_held_out(root: Path, **options: object) -> Artifact:
    """The active version `tiny`, with clicks drawn as the model itself believes in them."""
    publish_tiny_version(root, **options)
    store = ModelStore(root)
    artifact = store.load("tiny", "1")
    manifest = publish(store, as_new(artifact, held_out=draw_held_out(artifact)))
    write_active(store, "tiny", manifest.version)
    return store.load("tiny", manifest.version)


def draw_held_out(artifact: Artifact, *, requests: int = 150) -> HeldOut:
    version = load_version(artifact, CPU, "reference")
    batch = version.encoder.encode(draw_requests(requests)).batch
    logits_C = version.runtime.score(batch).logits_C
    drawn_C = np.random.default_rng(0).logistic(size=len(logits_C))
    return HeldOut(batch, (logits_C > drawn_C).astype(np.float32))


def ctrs(version: LoadedVersion) -> np.ndarray:
    """Of some requests, as this version serves them."""
    scores = version.score(draw_requests(20, seed=5))
    return 1 / (1 + np.exp(-np.concatenate([job.logits_C for job in scores])))


def same(one: HeldOut, other: HeldOut) -> bool:
    pairs = zip(
        (*one.batch.arrays(), one.labels_C), (*other.batch.arrays(), other.labels_C), strict=True
    )
    return all(
        np.array_equal(mine, theirs) and mine.dtype == theirs.dtype for mine, theirs in pairs
    )
