"""Versions as operators name them: `NAME@VERSION`, or `NAME` for the active one."""

from app.errors import ArtifactRefused
from app.registry.model_store import ModelStore


def resolve(store: ModelStore, reference: str) -> tuple[str, str]:
    """Name and version. Raises ArtifactRefused if there is no such version, or none is active."""
    name, at, version = reference.partition("@")
    if at:
        store.read_manifest(name, version)
        return name, version
    active = store.active_version(name)
    if active is None:
        raise ArtifactRefused(
            f"{name} has no active version in {store.root}: {_how_to_choose(store, name)}"
        )
    return name, active


def _how_to_choose(store: ModelStore, name: str) -> str:
    versions = store.versions(name)
    if not versions:
        return "it has no version at all"
    return f"choose one, such as {name}@{versions[-1]}"
