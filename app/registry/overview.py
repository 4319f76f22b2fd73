"""Every version of a model as an operator looks at it: what it is, and what has become of it."""

import asyncio
import logging
from dataclasses import dataclass

from app.errors import ArtifactRefused
from app.registry.manifest import Manifest
from app.registry.model_store import ModelStore
from app.registry.registry import Registry
from app.registry.version_states import VersionStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VersionOverview:
    """One version; a manifest that is refused is none, and the reason is in the status."""

    version: str
    status: VersionStatus
    manifest: Manifest | None


async def versions_of(registry: Registry, name: str) -> list[VersionOverview]:
    """Of a model that is served, in the order of their numbers; the model store is read anew.

    Where it cannot be read, those that are in memory.
    """
    manifests = await asyncio.to_thread(_manifests, registry.store, name)
    return [
        _overview(version, status, manifests.get(version))
        for version, status in registry.statuses(name, manifests).items()
    ]


def _overview(version: str, status: VersionStatus, read: Manifest | str | None) -> VersionOverview:
    if not isinstance(read, str):
        return VersionOverview(version, status, read)
    return VersionOverview(version, VersionStatus(status.state, status.reason or read), None)


def _manifests(store: ModelStore, name: str) -> dict[str, Manifest | str]:
    try:
        versions = store.versions(name)
    except ArtifactRefused as refused:
        log.warning("versions cannot be listed", extra={"model": name, "reason": str(refused)})
        versions = []
    return {version: _manifest(store, name, version) for version in versions}


def _manifest(store: ModelStore, name: str, version: str) -> Manifest | str:
    """Or why it is refused."""
    try:
        return store.glance(name, version)
    except ArtifactRefused as refused:
        return str(refused)
