"""A service that stops amid a change: swaps are finished or refused, and every version ends."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.errors import NotReady
from app.monitoring.metrics import Metrics
from app.registry.loaded_version import LoadedVersion
from app.registry.loading import Refusal, VersionLoader
from app.registry.model_store import ModelStore
from app.registry.registry import Registry
from app.registry.servable import Servable
from app.registry.served_models import ServedModels
from app.registry.version_states import VersionKey
from tests.artifacts import publish_tiny_version, publish_tiny_versions
from tests.eventually import eventually_async
from tests.registry.registries import loader_of, states

pytestmark = pytest.mark.anyio

FIRST, SECOND = VersionKey("tiny", "1"), VersionKey("tiny", "2")
PATIENT_S = 30.0


class Gate:
    """Whoever passes on another thread waits until it is opened."""

    def __init__(self) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()

    def passing(self) -> None:
        self._reached.set()
        assert self._opened.wait(PATIENT_S)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, PATIENT_S)

    def open(self) -> None:
        self._opened.set()


class GatedStore(ModelStore):
    """Writes nothing before the gate is open."""

    def __init__(self, root: Path, gate: Gate) -> None:
        super().__init__(root)
        self._gate = gate

    def replace_small(self, name: str, file: str, content: str) -> None:
        self._gate.passing()
        super().replace_small(name, file, content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", of which 1 is active, and one of "later"."""
    publish_tiny_versions(tmp_path, 2)
    publish_tiny_version(tmp_path, "later")
    (tmp_path / "later" / "ACTIVE").unlink()
    return tmp_path


class Drained:
    """Servables that were drained, each as often as it was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[VersionKey] = []
        drain = Servable.drain

        async def counted(servable: Servable) -> None:
            await drain(servable)
            self.keys.append(servable.key)

        monkeypatch.setattr(Servable, "drain", counted)


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> Drained:
    return Drained(monkeypatch)


def registry_over(store: ModelStore, *, keep_previous: bool) -> Registry:
    metrics = Metrics()
    loader = loader_of(store, metrics)
    models = ServedModels({"tiny": loader.open(loader.load(FIRST))}, default="tiny")
    return Registry(models, loader, metrics, keep_previous=keep_previous)


@asynccontextmanager
async def draining_amid(
    registry: Registry, gate: Gate, name: str, version: str
) -> AsyncIterator["asyncio.Task[Servable]"]:
    """An activation that is at the gate when the registry begins to drain; it has at the end."""
    activating = asyncio.create_task(registry.activate(name, version))
    await gate.reached()
    draining = asyncio.create_task(registry.drain())
    await asyncio.sleep(0)
    gate.open()
    await draining
    yield activating


@pytest.mark.parametrize("keep_previous", [True, False])
async def test_a_swap_that_is_being_written_is_finished_and_both_versions_end_once(
    root, drained, keep_previous
):
    gate = Gate()
    registry = registry_over(GatedStore(root, gate), keep_previous=keep_previous)

    async with draining_amid(registry, gate, "tiny", "2") as activating:
        await activating

    assert ModelStore(root).active_versions()["tiny"] == "2"
    assert sorted(map(str, drained.keys)) == ["tiny@1", "tiny@2"]
    assert states(registry) == {"1": "STORED", "2": "STORED"}
    assert not registry.models.is_ready()


async def test_a_model_that_is_served_for_the_first_time_meanwhile_ends_too(root, drained):
    gate = Gate()
    registry = registry_over(GatedStore(root, gate), keep_previous=True)

    with registry.models.route("tiny") as held:
        activating = asyncio.create_task(registry.activate("later", "1"))
        await gate.reached()
        draining = asyncio.create_task(registry.drain())
        await asyncio.sleep(0)
        gate.open()
        await activating
    await draining

    assert sorted(map(str, drained.keys)) == ["later@1", "tiny@1"]
    assert held.key == FIRST


async def test_a_version_that_is_still_loaded_then_does_not_become_active(
    root, drained, monkeypatch
):
    gate, load = Gate(), VersionLoader.try_to_load
    registry = registry_over(ModelStore(root), keep_previous=True)

    def gated(loader: VersionLoader, key: VersionKey) -> LoadedVersion | Refusal:
        gate.passing()
        return load(loader, key)

    monkeypatch.setattr(VersionLoader, "try_to_load", gated)
    async with draining_amid(registry, gate, "tiny", "2") as activating:
        with pytest.raises(NotReady, match="the service is draining"):
            await activating

    assert ModelStore(root).active_versions()["tiny"] == "1"
    assert sorted(map(str, drained.keys)) == ["tiny@1", "tiny@2"]


async def test_what_is_in_line_to_be_loaded_then_is_not_loaded_at_all(root, drained, monkeypatch):
    gate, load = Gate(), VersionLoader.try_to_load
    registry = registry_over(ModelStore(root), keep_previous=True)
    loaded: list[VersionKey] = []

    def gated(loader: VersionLoader, key: VersionKey) -> LoadedVersion | Refusal:
        loaded.append(key)
        gate.passing()
        return load(loader, key)

    async def is_in_line() -> bool:
        return states(registry, "later") == {"1": "LOADING"}

    monkeypatch.setattr(VersionLoader, "try_to_load", gated)
    loading = asyncio.create_task(registry.load("tiny", "2"))
    await gate.reached()
    in_line = asyncio.create_task(registry.load("later", "1"))
    await eventually_async(is_in_line)
    draining = asyncio.create_task(registry.drain())
    await asyncio.sleep(0)
    gate.open()

    with pytest.raises(NotReady, match="the service is draining"):
        await in_line
    await loading
    await draining
    assert loaded == [SECOND]
    assert states(registry, "later") == {"1": "STORED"}
