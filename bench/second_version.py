"""A model store with a model's active version, and another version that scores otherwise."""

import shutil
from pathlib import Path

import torch

from app.features.encoder import Encoder
from app.registry.activation import activate
from app.registry.model_store import Artifact, ModelStore
from app.registry.publication import golden_of
from app.registry.publishing import NewVersion, publish
from app.registry.trained_model import trained_model

NUDGE = 0.05  # of the spread of each weight


def store_with_two_versions(source: Path, model: str, root: Path) -> tuple[str, str]:
    """Copies the version that is active in `source` to `root`; the two versions' numbers."""
    old = ModelStore(source)
    version = old.active_versions()[model]
    shutil.copytree(old.folder(model, version), root / model / version)
    store = ModelStore(root)
    activate(store, model, version)
    other = publish(store, nudged(store.load(model, version)))
    return version, other.version


def nudged(artifact: Artifact) -> NewVersion:
    """The same model with every weight moved a little, and golden scores that say so."""
    manifest = artifact.manifest
    generator = torch.Generator().manual_seed(7)
    model = trained_model(artifact)
    weights = {
        name: nudge(weight, generator) if weight.is_floating_point() else weight
        for name, weight in artifact.weights.items()
    }
    model.load_state_dict(weights)
    encoder = Encoder(manifest.features, artifact.vocabularies)
    return NewVersion(
        name=manifest.name,
        architecture=manifest.architecture,
        features=manifest.features,
        weights=weights,
        vocabularies=artifact.vocabularies,
        golden=golden_of(model, encoder, manifest.calibration, artifact.golden.requests),
        prior_ctr=manifest.prior_ctr,
        calibration=manifest.calibration,
        prior_rates=artifact.priors.rates,
    )


def nudge(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Small enough that a variance stays one."""
    noise = torch.rand(weight.shape, generator=generator)
    return weight * (1 + NUDGE * noise)
