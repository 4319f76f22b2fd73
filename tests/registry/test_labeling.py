"""A version that has a label stays in memory and can be asked for by it."""

from pathlib import Path

import anyio
import pytest

from app.errors import LabelRefused, NotStored, UnknownLabel, UnknownModel, UnknownVersion
from app.registry.labeling import Labeling
from app.registry.labels import labels_of, put_label
from app.registry.model_store import ModelStore
from app.registry.registry import Registry
from tests.artifacts import publish_tiny_versions
from tests.registry.registries import open_registry, settled, states

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1, 2 and 3 of "tiny", of which 1 is active."""
    return publish_tiny_versions(tmp_path, 3)


def answers(registry: Registry, model: str) -> str:
    return registry.models.route(model, "user-1").version.manifest.version


async def test_a_label_follows_the_version_that_it_is_put_to(root):
    registry = open_registry(root)
    labeling = Labeling(registry)

    await labeling.put("tiny", "stable", "1")
    await registry.activate("tiny", "2")
    before = answers(registry, "tiny@stable")
    await labeling.put("tiny", "stable", "2")

    assert (before, answers(registry, "tiny@stable"), answers(registry, "tiny")) == ("1", "2", "2")
    assert labels_of(ModelStore(root), "tiny") == {"stable": "2"}
    await registry.drain()


async def test_a_version_that_is_loaded_is_asked_for_by_its_number(root):
    registry = open_registry(root)
    await registry.load("tiny", "3")

    assert [answers(registry, f"tiny@{version}") for version in "13"] == ["1", "3"]
    with pytest.raises(UnknownVersion, match="no version of tiny with the number or label '2' is"):
        registry.models.route("tiny@2")
    await registry.drain()


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("tiny@", UnknownVersion),
        ("tiny@1@1", UnknownVersion),
        ("tiny@stable", UnknownVersion),
        ("@1", UnknownModel),
        ("nobody@1", UnknownModel),
    ],
)
async def test_what_is_not_there_is_not_guessed(root, model, error):
    registry = open_registry(root)

    with pytest.raises(error):
        registry.models.route(model)
    await registry.drain()


async def test_a_version_stays_in_memory_while_it_has_a_label(root):
    registry = open_registry(root, keep_previous=False)
    labeling = Labeling(registry)
    await labeling.put("tiny", "stable", "1")

    for version in ("2", "3"):
        await registry.activate("tiny", version)
    await settled(registry, "tiny", "2")
    labeled = states(registry)
    await labeling.remove("tiny", "stable")
    await settled(registry, "tiny", "1")

    assert labeled == {"1": "READY", "2": "STORED", "3": "ACTIVE"}
    assert states(registry) == {"1": "STORED", "2": "STORED", "3": "ACTIVE"}
    with pytest.raises(UnknownVersion):
        registry.models.route("tiny@1")
    await registry.drain()


async def test_a_version_that_lost_its_label_to_another_is_let_go(root):
    registry = open_registry(root, keep_previous=False)
    labeling = Labeling(registry)
    await labeling.put("tiny", "stable", "1")
    await registry.activate("tiny", "2")

    await labeling.put("tiny", "stable", "2")
    await settled(registry, "tiny", "1")

    assert states(registry) == {"1": "STORED", "2": "ACTIVE", "3": "STORED"}
    await registry.drain()


async def test_unloading_a_version_does_not_take_it_from_its_label(root):
    registry = open_registry(root)
    labeling = Labeling(registry)
    await registry.load("tiny", "3")
    await labeling.put("tiny", "canary", "3")

    await registry.unload("tiny", "3")

    assert answers(registry, "tiny@canary") == "3"
    await registry.drain()


async def test_a_version_that_is_not_loaded_gets_no_label(root):
    registry = open_registry(root)

    with pytest.raises(LabelRefused) as refused:
        await Labeling(registry).put("tiny", "stable", "2")

    assert refused.value.detail == "tiny@2 is not loaded: activate it or roll it out first"
    assert labels_of(ModelStore(root), "tiny") == {}
    await registry.drain()


async def test_only_labels_that_are_there_of_models_that_are_served_can_be_removed(root):
    registry = open_registry(root)
    labeling = Labeling(registry)

    with pytest.raises(UnknownLabel, match="tiny has no label 'stable'"):
        await labeling.remove("tiny", "stable")
    for changing in (labeling.remove("nobody", "a"), labeling.put("nobody", "a", "1")):
        with pytest.raises(UnknownModel):
            await changing
    await registry.drain()


async def test_a_label_that_cannot_be_written_down_is_none(root):
    registry = open_registry(root)
    (root / "tiny" / "labels.json").mkdir()  # where a file has to be

    with pytest.raises(NotStored, match="cannot keep the labels of tiny, so they are as they were"):
        await Labeling(registry).put("tiny", "stable", "1")

    assert registry.models.labels.get("tiny", {}) == {}
    await registry.drain()


async def test_labels_and_their_versions_are_there_after_a_restart(root):
    for label, version in (("stable", "2"), ("active", "1"), ("broken", "3"), ("gone", "7")):
        put_label(ModelStore(root), "tiny", label, version)
    (root / "tiny" / "3" / "golden.json").write_text("{}")
    registry = open_registry(root)

    await Labeling(registry).resume()

    assert answers(registry, "tiny@stable") == "2"
    assert answers(registry, "tiny@active") == "1"
    assert states(registry) == {"1": "ACTIVE", "2": "READY", "3": "REFUSED"}
    for label in ("broken", "gone"):
        with pytest.raises(UnknownVersion):
            registry.models.route(f"tiny@{label}")
    await registry.drain()


async def test_labels_that_cannot_be_read_keep_no_service_from_starting(root):
    (root / "tiny" / "labels.json").write_text("{")
    registry = open_registry(root)

    await Labeling(registry).resume()

    assert answers(registry, "tiny") == "1"
    await registry.drain()


async def test_of_labels_put_at_once_none_is_forgotten(root):
    registry = open_registry(root)
    labeling = Labeling(registry)
    labels = [f"label-{number}" for number in range(5)]

    async with anyio.create_task_group() as tasks:
        for label in labels:
            tasks.start_soon(labeling.put, "tiny", label, "1")

    assert labels_of(ModelStore(root), "tiny") == dict.fromkeys(labels, "1")
    await registry.drain()
