"""Labels of a service that runs: they point to versions in memory, and keep them there."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from functools import partial

from app.errors import ArtifactRefused, CtrError, LabelRefused, NotStored, UnknownModel
from app.registry.labels import Labels, labels_of, put_label, remove_label
from app.registry.registry import Registry
from app.registry.version_states import VersionKey

log = logging.getLogger(__name__)


class Labeling:
    """On the disk first, then for the next request."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._models = registry.models
        self._changing: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def put(self, name: str, label: str, version: str) -> None:
        """Raises UnknownModel, LabelRefused for a version that is not loaded, or NotStored."""
        self._check_served(name)
        key = VersionKey(name, version)
        async with self._changing[name]:
            with self._registry.wanting(key):
                if key not in self._models.loaded:
                    raise LabelRefused(f"{key} is not loaded: activate it or roll it out first")
                await self._change(name, partial(put_label, label=label, version=version))

    async def remove(self, name: str, label: str) -> None:
        """Raises UnknownModel, UnknownLabel or NotStored."""
        self._check_served(name)
        async with self._changing[name]:
            await self._change(name, partial(remove_label, label=label))

    async def resume(self) -> None:
        """Loads what had a label when the service stopped; what is refused has its state."""
        for name in list(self._models.servables):
            try:
                labels = await asyncio.to_thread(labels_of, self._registry.store, name)
            except (OSError, ArtifactRefused) as error:
                log.warning("labels cannot be read", extra={"model": name, "reason": str(error)})
                continue
            self._models.labels[name] = labels
            for version in dict.fromkeys(labels.values()):
                await self._load(VersionKey(name, version))

    async def _load(self, key: VersionKey) -> None:
        try:
            await self._registry.in_memory(key)
        except CtrError as error:
            extra = {"model": str(key), "reason": error.detail}
            log.warning("a version that has a label is not loaded", extra=extra)

    async def _change(self, name: str, change: Callable[..., Labels]) -> None:
        try:
            labels = await asyncio.to_thread(change, self._registry.store, name)
        except (OSError, ArtifactRefused) as error:
            raise NotStored(
                f"the model store cannot keep the labels of {name}, so they are as they were: "
                f"{self._registry.store.public_reason(error)}"
            ) from None
        self._models.labels[name] = labels
        self._registry.let_go_of_others(name)

    def _check_served(self, name: str) -> None:
        if name not in self._models.servables:
            raise UnknownModel(f"no model {name!r} is served here")
