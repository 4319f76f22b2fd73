"""Into the model store, and active only once it has been read back and scores as it should."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from app.core.calibration import Calibration
from app.errors import StartupRefused
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.models.factory import Model
from app.registry.activation import activate
from app.registry.golden import GoldenRequest, GoldenRequests, verify, with_scores
from app.registry.manifest import Manifest
from app.registry.model_store import ModelStore
from app.registry.publishing import NewVersion, publish
from app.registry.trained_model import trained_model


def check_writable(store: Path) -> None:
    """Raises StartupRefused: better before hours of work than after."""
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(f"{store} cannot be a model store: {error.strerror}") from error
    if not os.access(store, os.W_OK):
        raise StartupRefused(f"{store} cannot be written to")


def golden_of(
    model: Model, encoder: Encoder, calibration: Calibration, requests: Sequence[GoldenRequest]
) -> GoldenRequests:
    """The requests with the CTRs that this model will serve."""
    return with_scores(requests, encoder, Engine(model, torch.device("cpu")).score, calibration)


def publish_verified(store: ModelStore, new: NewVersion, *, activated: bool) -> Manifest:
    """Raises ArtifactRefused if what was written does not give its golden scores again."""
    manifest = publish(store, new)
    artifact = store.load(manifest.name, manifest.version)
    encoder = Encoder(manifest.features, artifact.vocabularies)
    engine = Engine(trained_model(artifact), torch.device("cpu"))
    verify(artifact.golden, encoder, engine.score, manifest.calibration)
    if activated:
        activate(store, manifest.name, manifest.version)
    return manifest
