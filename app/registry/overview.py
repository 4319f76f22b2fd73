"""Every version of a model as anyone may look at it: what it is, and what has become of it."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.errors import ArtifactRefused
from app.registry.manifest import Manifest, Metrics, Split
from app.registry.model_store import ModelStore
from app.registry.registry import Registry
from app.registry.version_states import VersionState, VersionStatus

# Whoever asks needs no key, so asking more often must not read more.
FRESH_S = 1.0
READING_SHARE = 0.1  # of the time, at most

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """What a manifest says, or why it is refused."""

    created_at: str | None = None
    architecture: str | None = None
    metrics: Mapping[Split, Metrics] | None = None
    reason: str | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> "VersionSummary":
        return cls(manifest.created_at, manifest.architecture.name, manifest.metrics)


@dataclass(frozen=True, slots=True)
class VersionOverview:
    """One version; `reason` is of its state, or else of its manifest."""

    version: str
    state: VersionState
    reason: str | None
    created_at: str | None
    architecture: str | None
    metrics: Mapping[Split, Metrics] | None


@dataclass(frozen=True, slots=True)
class _Listing:
    summaries: Mapping[str, VersionSummary]
    stale_s: float  # when it is read anew


class Overview:
    """Of the models of a registry. The model store is read by one at a time, now and then."""

    def __init__(
        self, registry: Registry, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._monotonic_s = monotonic_s
        self._listings: dict[str, _Listing] = {}
        self._reading: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def versions(self, name: str) -> list[VersionOverview]:
        """Of a model that is served, in the order of their numbers; states are those of now.

        Where the model store cannot be read, those that are in memory.
        """
        stored = await self._stored(name)
        return [
            self._overview(name, version, status, stored.get(version, VersionSummary()))
            for version, status in self._registry.statuses(name, stored).items()
        ]

    async def _stored(self, name: str) -> Mapping[str, VersionSummary]:
        async with self._reading[name]:
            listing = self._listings.get(name)
            began_s = self._monotonic_s()
            if listing is None or listing.stale_s <= began_s:
                summaries = await asyncio.to_thread(_summaries, self._registry.store, name)
                ended_s = self._monotonic_s()
                fresh_s = max(FRESH_S, (ended_s - began_s) / READING_SHARE)
                listing = self._listings[name] = _Listing(summaries, ended_s + fresh_s)
            return listing.summaries

    def _overview(
        self, name: str, version: str, status: VersionStatus, stored: VersionSummary
    ) -> VersionOverview:
        servable = self._registry.servable(name, version)
        said = stored if servable is None else VersionSummary.of(servable.version.manifest)
        return VersionOverview(
            version,
            status.state,
            status.reason or said.reason,
            said.created_at,
            said.architecture,
            said.metrics,
        )


def _summaries(store: ModelStore, name: str) -> Mapping[str, VersionSummary]:
    try:
        versions = store.versions(name)
    except ArtifactRefused as refused:
        log.warning("versions cannot be listed", extra={"model": name, "reason": str(refused)})
        versions = []
    return {version: _summary(store, name, version) for version in versions}


def _summary(store: ModelStore, name: str, version: str) -> VersionSummary:
    try:
        return VersionSummary.of(store.read_manifest(name, version))
    except ArtifactRefused as refused:
        return VersionSummary(reason=store.public_reason(refused))
