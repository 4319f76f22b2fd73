"""A registry over a model store on disk, with every active version loaded as at a start."""

import asyncio
from pathlib import Path

import torch

from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.recording.recorder import Recorder
from app.registry.exports.loading import RuntimeName
from app.registry.loading import VersionLoader
from app.registry.model_store import ANY_VERSION, ModelStore, StoreRules
from app.registry.registry import Registry
from app.registry.rollout.copies import CopyRoom
from app.registry.rollout.gate import GateRules
from app.registry.rollout.rollouts import Rollouts
from app.registry.served_models import ServedModels
from app.registry.version_states import VersionKey
from tests.registry.servables import ROOMY, running

NOWHERE = Path("/nonexistent")


def open_registry(
    root: Path,
    *,
    metrics: Metrics | None = None,
    keep_previous: bool = True,
    rules: StoreRules | None = None,
    runtime: RuntimeName = "auto",
) -> Registry:
    metrics = metrics or Metrics()
    loader = loader_of(ModelStore(root, rules or ANY_VERSION), metrics, runtime=runtime)
    keys = [VersionKey(*active) for active in loader.store.active_versions().items()]
    servables = {key.name: loader.open(loader.load(key)) for key in keys}
    models = ServedModels(servables, default="tiny" if "tiny" in servables else None)
    return Registry(models, loader, metrics, keep_previous=keep_previous)


def registry_of(models: ServedModels, metrics: Metrics) -> Registry:
    """Of models that came from nowhere, where no version is stored."""
    return Registry(models, loader_of(ModelStore(NOWHERE), metrics), metrics, keep_previous=False)


def loader_of(
    store: ModelStore,
    metrics: Metrics,
    *,
    runtime: RuntimeName = "auto",
    recorder: Recorder | None = None,
) -> VersionLoader:
    run = running(metrics, runtime=runtime)
    return VersionLoader(store, torch.device("cpu"), ROOMY, metrics, run, recorder)


def states(registry: Registry, name: str = "tiny") -> dict[str, str]:
    """By version, as `/v1/models` says them."""
    stored = registry.store.versions(name)
    return {version: one.state.value for version, one in registry.statuses(name, stored).items()}


def active(registry: Registry, name: str = "tiny") -> str:
    """The version that answers."""
    return registry.models.route(name).version.manifest.version


async def settled(registry: Registry, name: str, version: str) -> None:
    """Returns once the version has been let go."""
    while (drain := registry._drains.get(VersionKey(name, version))) is not None:
        await asyncio.wait([drain])


async def at_rest(registry: Registry) -> None:
    """Returns once it does nothing any more beside requests."""
    while registry._tasks:
        await asyncio.wait(registry._tasks)


def rollouts_of(registry: Registry, metrics: Metrics) -> Rollouts:
    """As the service has them, with nobody else in flight."""
    return Rollouts(registry, CopyRoom(Admission(threads=1), threads=1), GateRules(), metrics)
