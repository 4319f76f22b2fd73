"""Versions of every architecture in one store: published, read back and verified alike."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch

from app.monitoring.metrics import Metrics
from app.registry.loaded_version import load_version
from app.registry.model_store import Artifact, ModelStore
from tests.artifacts import TINY_ARCHITECTURES, publish_tiny_version
from tests.registry.servables import load
from tests.registry.versions import refusal

each_architecture = pytest.mark.parametrize("name", TINY_ARCHITECTURES)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    for name, architecture in TINY_ARCHITECTURES.items():
        publish_tiny_version(root, name, architecture=architecture)
    return root


def artifact_of(root: Path, name: str) -> Artifact:
    return ModelStore(root).load(name, "1")


def refused(artifact: Artifact) -> str:
    return refusal(lambda: load_version(artifact, torch.device("cpu")))


@each_architecture
def test_a_version_is_read_as_it_was_published(root, name):
    metrics = Metrics()

    servable = load(root, name, metrics=metrics)

    assert servable.version.manifest.architecture == TINY_ARCHITECTURES[name]
    (served,) = metrics.model_info.collect()
    assert [sample.labels["architecture"] for sample in served.samples] == [name]


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("din", "attention.kind.first.weight"),
        ("din", "attention.kind.activation.alpha"),
        ("dsin", "encoder.self_attention.inputs.weight"),
        ("dsin", "encoder.self_attention.feed_forward_norm.weight"),
        ("dsin", "evolution.lstm.weight_hh_l0"),
        ("dsin", "evolution.lstm.weight_ih_l0_reverse"),
        ("dsin", "interest_attention.kind.weight_HQ"),
        ("dsin", "evolved_attention.kind.weight_HQ"),
    ],
)
def test_a_changed_weight_is_noticed_by_the_golden_requests(root, name, weight):
    artifact, weight = artifact_of(root, name), f"interests.0.{weight}"
    changed = artifact.weights[weight].roll(1, dims=0) + 0.5

    message = refused(replace(artifact, weights={**artifact.weights, weight: changed}))

    assert message.startswith(f"{name}@1: golden request 0 scores differ by ")


def test_other_sessions_than_trained_ones_are_noticed_by_the_golden_requests(root):
    artifact = artifact_of(root, "dsin")
    architecture = artifact.manifest.architecture.model_copy(update={"session_gap_s": 5_000})
    manifest = artifact.manifest.model_copy(update={"architecture": architecture})

    message = refused(replace(artifact, manifest=manifest))

    assert message.startswith("dsin@1: golden request 0 scores differ by ")


@pytest.mark.parametrize(("name", "other"), list(permutations(TINY_ARCHITECTURES, 2)))
def test_weights_of_another_architecture_are_refused(root, name, other):
    artifact = artifact_of(root, name)

    message = refused(replace(artifact, weights=artifact_of(root, other).weights))

    assert message.startswith(f"{name}@1: Error(s) in loading state_dict")
