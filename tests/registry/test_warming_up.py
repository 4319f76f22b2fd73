"""A version is warm for the requests that come here before it answers any."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from app.core.request import BehaviorSequence, Candidates, UserContext
from app.inference.batch_policy import BatchPolicy
from app.inference.cost_model import Size
from app.monitoring.metrics import Metrics
from app.recording.recorder import Recorder
from app.registry.loaded_version import LoadedVersion
from app.registry.loading import VersionLoader
from app.registry.model_store import ModelStore
from app.registry.version_states import VersionKey
from app.registry.warmup import SIZES
from tests.artifacts import publish_tiny_version
from tests.recording.records import record_all, recorder_in
from tests.registry.registries import loader_of
from tests.registry.servables import load, running

FIRST, SECOND = VersionKey("tiny", "1"), VersionKey("tiny", "2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", which look at 60 and at 10 behaviors."""
    store = tmp_path / "store"
    publish_tiny_version(store, max_behaviors=60)
    publish_tiny_version(store, max_behaviors=10, seed=1)
    (store / "tiny" / "ACTIVE").write_text("1\n")
    return store


def record(folder: Path, version: LoadedVersion, sizes: Iterable[tuple[int, int]]) -> None:
    with recorder_in(folder) as recorder:
        requests = [
            (
                UserContext(
                    "user-1",
                    BehaviorSequence(
                        np.ones((behaviors, 2), np.uint64), np.arange(behaviors, dtype=np.uint32)
                    ),
                ),
                Candidates(["ad"] * candidates, [None] * candidates, {}),
            )
            for candidates, behaviors in sizes
        ]
        record_all(recorder, version, requests)


def warmed_up(root: Path, key: VersionKey, recorder: Recorder | None) -> list[Size]:
    loader = loader_of(ModelStore(root), Metrics(), recorder=recorder)
    return loader.load(key).costs.measured_sizes


def test_where_nothing_is_recorded_sizes_from_small_to_full_are_computed(root, tmp_path):
    with recorder_in(tmp_path / "recorded") as recorder:
        assert warmed_up(root, FIRST, recorder) == list(SIZES)
    assert warmed_up(root, FIRST, None) == list(SIZES)


def test_recorded_sizes_are_computed_too(root, tmp_path):
    record(tmp_path / "recorded", load(root).version, [(37, 55)] * 3 + [(250, 60)])

    with recorder_in(tmp_path / "recorded") as recorder:
        sizes = warmed_up(root, FIRST, recorder)

    assert sizes == [*SIZES, Size(250, 60), Size(37, 55)]


def test_a_version_computes_them_with_the_behaviors_that_it_looks_at(root, tmp_path):
    record(tmp_path / "recorded", load(root).version, [(37, 55)])

    with recorder_in(tmp_path / "recorded") as recorder:
        sizes = warmed_up(root, SECOND, recorder)

    assert Size(37, 10) in sizes
    assert max(size.behaviors for size in sizes) == 10


def test_a_request_too_large_for_a_batch_is_computed_as_far_as_one_takes_it(root, tmp_path):
    record(tmp_path / "recorded", load(root).version, [(900, 49)])
    metrics = Metrics()
    policy = BatchPolicy(max_batch_pairs=20_000, max_queued_pairs=1_000_000)

    with recorder_in(tmp_path / "recorded") as recorder:
        loader = VersionLoader(
            ModelStore(root), torch.device("cpu"), policy, metrics, running(metrics), recorder
        )
        sizes = loader.load(FIRST).costs.measured_sizes

    assert sizes[len(SIZES) :] == [Size(400, 49)]


def test_what_it_was_warmed_up_on_is_said(root, tmp_path):
    record(tmp_path / "recorded", load(root).version, [(37, 55)])
    metrics = Metrics()

    with recorder_in(tmp_path / "recorded") as recorder:
        loader = loader_of(ModelStore(root), metrics, recorder=recorder)
        servable = loader.open(loader.load(FIRST))

    assert servable.description()["warmed_up_on"] == "1x0 1x1 20x20 100x50 400x50 37x55"
