"""Every version of a model as an operator looks at it: what it is, and what has become of it."""

import asyncio
from dataclasses import dataclass

from app.errors import ArtifactRefused
from app.registry.manifest import Manifest
from app.registry.model_store import ModelStore
from app.registry.registry import Registry
from app.registry.version_states import VersionStatus


@dataclass(frozen=True, slots=True)
class VersionOverview:
    """One version; a manifest that cannot be understood is none."""

    version: str
    status: VersionStatus
    manifest: Manifest | None


async def versions_of(registry: Registry, name: str) -> list[VersionOverview]:
    """Of a model that is served, in the order of their numbers; the model store is read anew."""
    manifests = await asyncio.to_thread(_manifests, registry.store, name)
    return [
        VersionOverview(version, status, manifests.get(version))
        for version, status in registry.statuses(name, manifests).items()
    ]


def _manifests(store: ModelStore, name: str) -> dict[str, Manifest | None]:
    return {version: _manifest(store, name, version) for version in store.versions(name)}


def _manifest(store: ModelStore, name: str, version: str) -> Manifest | None:
    try:
        return store.glance(name, version)
    except ArtifactRefused:
        return None
