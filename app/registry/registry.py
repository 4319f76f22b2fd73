"""The versions in memory: loaded beside requests, made active, taken back, and let go."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from app.errors import (
    ArtifactRefused,
    CtrError,
    NotReady,
    NotStored,
    SwapRefused,
    UnknownModel,
    UnknownVersion,
    VersionRefused,
)
from app.monitoring.metrics import Metrics
from app.registry.activation import versions_before, write_active, write_rolled_back
from app.registry.background import in_background
from app.registry.loading import Refusal, VersionLoader
from app.registry.model_store import ModelStore, is_name
from app.registry.servable import Servable
from app.registry.served_models import ServedModels
from app.registry.version_states import VersionKey, VersionState, VersionStates, VersionStatus

Result = TypeVar("Result")
Write = Callable[[ModelStore, str, str], None]  # that this version of a name is active

OUTCOMES = ("activated", "rolled_back", "refused", "overtaken", "not_stored")

log = logging.getLogger(__name__)


class Registry:
    """Changes what is served, on the event loop; everything slow happens on other threads.

    A swap is one assignment, made once the version is warm and the model store says that it is the
    active one. Whoever holds the version before is still scored by it; then it is let go.
    """

    def __init__(
        self, models: ServedModels, loader: VersionLoader, metrics: Metrics, *, keep_previous: bool
    ) -> None:
        """`keep_previous`: what a rollback would serve is in memory, so that it takes no time."""
        self.models = models
        self.store = loader.store
        self._loader = loader
        self._keep_previous = keep_previous
        self._states = VersionStates(metrics)
        self._outcomes = metrics.swaps
        self._loaded = models.loaded
        self._held: set[VersionKey] = set()  # loaded by `load`, until `unload`
        self._wanted: Counter[VersionKey] = Counter()  # by activations that wait for them
        self._previous: dict[str, VersionKey] = {}  # what a rollback would serve
        self._loads: dict[VersionKey, asyncio.Task[Servable]] = {}
        self._drains: dict[VersionKey, asyncio.Task[None]] = {}
        self._swaps: Counter[str] = Counter()
        self._swapping: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._loading = asyncio.Lock()  # one at a time: memory is for requests
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False
        for name in models.servables:
            for outcome in OUTCOMES:  # there from the start, so that a first one is an increase
                self._outcomes.labels(name, outcome)
        for servable in models.servables.values():
            self._states.become(servable.key, VersionState.ACTIVE)

    async def load(self, name: str, version: str) -> Servable:
        """In memory and warm, beside the active one, until `unload`.

        Raises UnknownModel, UnknownVersion, VersionRefused, NotStored or NotReady (draining).
        """
        key = VersionKey(name, version)
        with self.wanting(key):
            servable = await self.in_memory(key)
            if not self._is_active(key):
                self._held.add(key)
        return servable

    async def unload(self, name: str, version: str) -> None:
        """Lets go of what `load` has loaded, once whoever holds it is answered.

        What a rollback would serve stays. Raises SwapRefused for the active version.
        """
        key = VersionKey(name, version)
        if self._is_active(key):
            raise SwapRefused(f"{key} is active: activate another version first")
        self._held.discard(key)
        self.let_go_of_others(name)
        if (drain := self._drains.get(key)) is not None:
            await asyncio.shield(drain)

    async def activate(self, name: str, version: str) -> Servable:
        """Serves it, now and after a restart. What was served before is kept if this fails.

        Raises as `load` does, or SwapRefused if another swap was faster.
        """
        return await self._become_active(VersionKey(name, version), write_active, "activated")

    async def rollback(self, name: str) -> Servable:
        """Serves what was active before. Raises as `activate` does."""
        active = self.models.servables.get(name)
        if active is None:
            raise UnknownModel(f"no model {name!r} is served here")
        before = await self._before(active.key)
        if before is None:
            raise SwapRefused(
                f"no version of {name} was active before {active.key}: activate one by its number"
            )
        return await self._become_active(before, write_rolled_back, "rolled_back")

    def prepare_rollbacks(self) -> None:
        """Once, after the start: loads beside requests what rollbacks would serve."""
        for servable in self.models.servables.values():
            self._own(self._prepare_rollback(servable.key))

    def status(self, key: VersionKey) -> VersionStatus:
        return self._states.of(key)

    def statuses(self, name: str, stored: Iterable[str]) -> Mapping[str, VersionStatus]:
        """By version: those in the store, and those that are in memory though they are not."""
        versions = dict.fromkeys([*stored, *self._states.versions(name)])
        return {version: self._states.of(VersionKey(name, version)) for version in versions}

    def servable(self, name: str, version: str) -> Servable | None:
        """A version that is in memory and takes requests."""
        return self._loaded.get(VersionKey(name, version))

    async def in_memory(self, key: VersionKey) -> Servable:
        """It is let go again unless somebody wants it or it has a label. Raises as `load` does."""
        if self._stopping:
            raise NotReady("the service is draining")
        if key in self._loaded:
            return self._loaded[key]
        if key not in self._loads:
            self._loads[key] = self._own(self._load(key))
            self._loads[key].add_done_callback(lambda _: self._loads.pop(key))
        return await asyncio.shield(self._loads[key])

    @contextmanager
    def wanting(self, key: VersionKey) -> Iterator[None]:
        """Nobody lets go of it meanwhile."""
        self._wanted[key] += 1
        try:
            yield
        finally:
            self._wanted[key] -= 1
            if not self._wanted[key]:
                del self._wanted[key]
            self.let_go_of_others(key.name)

    def let_go_of_others(self, name: str) -> None:
        """All that nothing keeps in memory any more."""
        for key in [key for key in self._loaded if key.name == name and not self._keeps(key)]:
            self._let_go(key)

    async def drain(self) -> None:
        """Everything accepted is answered, every thread has ended."""
        self._stopping = True
        self.models.stop()
        while under_way := self._tasks.difference(self._drains.values()):
            await asyncio.wait(under_way)  # loads and swaps, which change what there is to end
        for key in list(self._loaded):
            self._let_go(key)
        if self._drains:
            await asyncio.wait(self._drains.values())

    async def _become_active(self, key: VersionKey, write: Write, outcome: str) -> Servable:
        swaps = self._swaps[key.name]
        with self.wanting(key), self._counting_failures(key):
            servable = await self.in_memory(key)
            if self._stopping:
                raise NotReady("the service is draining")
            # Whoever asked may leave: half of a swap is none.
            await asyncio.shield(self._own(self._swap(servable, write, swaps)))
        self._outcomes.labels(key.name, outcome).inc()
        return servable

    async def _swap(self, servable: Servable, write: Write, swaps: int) -> None:
        key = servable.key
        async with self._swapping[key.name]:
            if self._swaps[key.name] != swaps:
                raise SwapRefused(f"another version of {key.name} became active meanwhile")
            try:
                await asyncio.to_thread(write, self.store, key.name, key.version)
            except (OSError, ArtifactRefused) as error:
                raise NotStored(
                    f"the model store cannot say that {key} is active, so it is not: "
                    f"{self.store.public_reason(error)}"
                ) from None
            before = self.models.servables.get(key.name)
            self.models.serve(servable)
        if before is not servable:
            self._swaps[key.name] += 1
            self._succeed(key, before)

    def _succeed(self, key: VersionKey, before: Servable | None) -> None:
        self._held.discard(key)
        self._states.become(key, VersionState.ACTIVE)
        log.info("a version became active", extra={"model": str(key)})
        if before is not None:
            self._previous[key.name] = before.key
            self._states.become(before.key, VersionState.READY)
        self.let_go_of_others(key.name)
        self._own(self._prepare_rollback(key))

    async def _prepare_rollback(self, active: VersionKey) -> None:
        """What comes before the active version is in memory, and nothing else for its sake.

        After a rollback that is another version than the one that was taken back.
        """
        if not self._keep_previous:
            return
        try:
            before = await self._before(active)
            if not self._is_active(active):
                return  # what became active meanwhile prepares its own
            self._previous.pop(active.name, None)
            if before is None:
                self.let_go_of_others(active.name)
                return
            self._previous[active.name] = before
            with self.wanting(before):
                await self.in_memory(before)
        except NotReady:
            return
        except CtrError as error:
            extra = {"model": str(active), "reason": error.detail}
            log.warning("a rollback is not prepared", extra=extra)

    async def _before(self, active: VersionKey) -> VersionKey | None:
        """What a rollback would serve. Raises NotStored."""
        before = await self._read(versions_before, self.store, active.name, active.version)
        return VersionKey(active.name, before[0]) if before else None

    async def _load(self, key: VersionKey) -> Servable:
        await self._check_stored(key)
        if key in self._drains:
            await asyncio.wait([self._drains[key]])
        self._states.become(key, VersionState.LOADING)
        async with self._loading:
            if self._stopping:  # nobody will need what has been in line
                self._states.become(key, VersionState.STORED)
                raise NotReady("the service is draining")
            loaded = await in_background(partial(self._loader.try_to_load, key))
        servable = loaded if isinstance(loaded, Refusal) else self._loader.try_to_open(loaded)
        if isinstance(servable, Refusal):
            extra = {"model": str(key), "reason": servable.detail}
            log.error("a version was refused", extra=extra)
            self._states.become(key, VersionState.REFUSED, servable.reason)
            raise VersionRefused(servable.reason)
        self._loaded[key] = servable
        self._states.become(key, VersionState.READY)
        log.info("a version is loaded", extra=servable.description())
        return servable

    async def _check_stored(self, key: VersionKey) -> None:
        versions = await self._read(self.store.versions, key.name) if is_name(key.name) else []
        if not versions:
            raise UnknownModel(f"the model store has no model {key.name!r}")
        if key.version not in versions:
            raise UnknownVersion(
                f"the model store has no version {key.version!r} of {key.name}, only "
                f"{', '.join(versions[-5:])}"
            )

    async def _read(self, read: Callable[..., Result], *of: object) -> Result:
        """What the model store says, which may be behind a network. Raises NotStored."""
        try:
            return await asyncio.to_thread(read, *of)
        except (OSError, ArtifactRefused) as error:
            reason = self.store.public_reason(error)
            raise NotStored(f"the model store cannot be read: {reason}") from None

    def _keeps(self, key: VersionKey) -> bool:
        if self._is_active(key) or key in self._held or self._wanted[key]:
            return True
        if self.models.has_label(key):
            return True
        return self._keep_previous and self._previous.get(key.name) == key

    def _is_active(self, key: VersionKey) -> bool:
        active = self.models.servables.get(key.name)
        return active is not None and active.key == key

    def _let_go(self, key: VersionKey) -> None:
        self._states.become(key, VersionState.DRAINING)
        self._drains[key] = self._own(self._drain(self._loaded.pop(key)))
        self._drains[key].add_done_callback(lambda _: self._drains.pop(key))

    async def _drain(self, servable: Servable) -> None:
        key = servable.key
        await servable.drain()
        self._states.become(key, VersionState.STORED)
        log.info("a version was let go", extra={"model": str(key)})

    @contextmanager
    def _counting_failures(self, key: VersionKey) -> Iterator[None]:
        try:
            yield
        except VersionRefused:
            self._outcomes.labels(key.name, "refused").inc()
            raise
        except SwapRefused:
            self._outcomes.labels(key.name, "overtaken").inc()
            raise
        except NotStored:
            self._outcomes.labels(key.name, "not_stored").inc()
            raise

    def _own(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Goes on when whoever waits for it leaves; `drain` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
