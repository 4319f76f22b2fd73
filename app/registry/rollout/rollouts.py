"""Rollouts from the request of an operator to their end, which they reach by themselves."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from app.errors import (
    ArtifactRefused,
    CtrError,
    NotStored,
    SwapRefused,
    UnknownModel,
    one_line,
)
from app.monitoring.metrics import Metrics
from app.registry.registry import Registry
from app.registry.rollout.comparison import OUTCOMES
from app.registry.rollout.copies import Copies, CopyRoom
from app.registry.rollout.gate import GateRules, Verdict
from app.registry.rollout.journal import UNDER_WAY, append, records_of
from app.registry.rollout.plan import RolloutPlan
from app.registry.rollout.shown import ShownTrial
from app.registry.rollout.trial import Trial
from app.registry.servable import Servable

Event = Literal["started", "changed", "promoted", "rolled_back", "stopped", "failed"]
EVENTS: tuple[Event, ...] = ("started", "changed", "promoted", "rolled_back", "stopped", "failed")

# An engine that hangs never gives its version back; the next rollout does not wait for that.
FREED_WITHIN_S = 5.0
ASKED_FOR = "asked for"  # by an operator, who gives no reason

Record = dict[str, Any]  # of the journal
ASKED = tuple(field.name for field in fields(RolloutPlan))  # what of a record was asked for
_plan = TypeAdapter(RolloutPlan)

log = logging.getLogger(__name__)


class Rollouts:
    """At most one of each model. All of it is written down in the model store."""

    def __init__(
        self,
        registry: Registry,
        room: CopyRoom,
        rules: GateRules,
        metrics: Metrics,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._registry = registry
        self._models = registry.models
        self._room = room
        self._rules = rules
        self._metrics = metrics
        self._trials: dict[str, Trial] = {}
        self._shown: dict[str, ShownTrial] = {}
        self._last: dict[str, dict[str, Any]] = {}  # record of a model
        self._changing: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._models.on_swap = self._swapped
        for name in self._models.servables:
            for event in EVENTS:  # there from the start, so that a first one is an increase
                metrics.rollout_events.labels(name, event)

    async def start(self, name: str, plan: RolloutPlan) -> None:
        """Loads the version and begins; the same version and mode again only changes the percent.

        Raises InvalidRequest, UnknownModel, UnknownVersion, VersionRefused, SwapRefused for the
        active version, NotStored or NotReady.
        """
        plan.check()
        async with self._changing[name]:
            self._other_than(name, plan.version)
            under_way = self._trials.get(name)
            if under_way is not None and _is_same(under_way.plan, plan):
                await self._record(under_way, "changed", plan)
                under_way.follow(plan, self._models)
                return
            if under_way is not None:
                await self._end(under_way, "stopped", f"{plan.version} is rolled out instead")
            challenger = await self._registry.load(name, plan.version)
            active = self._other_than(name, plan.version)
            try:
                await self._begin(active, challenger, plan)
            except NotStored:
                with suppress(SwapRefused):  # it has become active, and stays
                    await self._registry.unload(name, plan.version)
                raise

    async def stop(self, name: str, reason: str) -> None:
        """What is not under way cannot be stopped, and need not be. Raises UnknownModel."""
        async with self._changing[name]:
            if name not in self._models.servables:
                raise UnknownModel(f"no model {name!r} is served here")
            if (trial := self._trials.get(name)) is not None:
                await self._end(trial, "stopped", reason)

    def describe(self, name: str) -> dict[str, Any]:
        """What is under way, as it is now, and the last record of the journal."""
        trial = self._trials.get(name)
        return {
            "under_way": None if trial is None else _state_of(trial),
            "last": self._last.get(name),
        }

    async def resume(self) -> None:
        """What was under way when the service stopped begins again, with nothing learned yet."""
        for name in list(self._models.servables):
            try:
                records = await asyncio.to_thread(records_of, self._registry.store, name)
            except (OSError, ArtifactRefused) as error:
                log.warning("rollouts cannot be read", extra={"model": name, "reason": str(error)})
                continue
            if not records:
                continue
            last = self._last[name] = records[-1]
            if last.get("event") in UNDER_WAY:
                await self._resume(name, last)

    async def close(self) -> None:
        """Without a record: they are resumed at the next start."""
        for trial in list(self._trials.values()):
            trial.end(self._models)
            await trial.copies.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _begin(self, active: Servable, challenger: Servable, plan: RolloutPlan) -> None:
        name = active.key.name
        copies = Copies(self._room, outcomes=self._metrics.rollout_copies, name=name)
        trial = Trial(
            active,
            challenger,
            plan,
            copies,
            self._rules,
            self._decide,
            monotonic_s=self._monotonic_s,
        )
        await self._record(trial, "started", plan)
        self._trials[name] = trial
        self._shown[name] = ShownTrial(trial, self._metrics)
        trial.begin(self._models)
        if self._models.servables[name] is not active:  # since the record was on its way
            await self._end(trial, "stopped", self._activated_by_hand(name))

    def _other_than(self, name: str, version: str) -> Servable:
        """The active version, which is another one. Raises UnknownModel or SwapRefused."""
        active = self._models.active(name)
        if active.key.version == version:
            raise SwapRefused(f"{active.key} is active already: roll out another version")
        return active

    async def _resume(self, name: str, record: Record) -> None:
        try:
            await self.start(name, _plan.validate_python({one: record.get(one) for one in ASKED}))
        except (CtrError, ValidationError) as error:
            extra = {"model": name, "reason": one_line(error)}
            log.warning("a rollout is not resumed", extra=extra)

    def _decide(self, trial: Trial, verdict: Verdict) -> None:
        """Called between two requests."""
        if verdict.decision == "roll_back":
            trial.end(self._models)  # before anything that takes time
        self._own(self._carry_out(trial, verdict))

    async def _carry_out(self, trial: Trial, verdict: Verdict) -> None:
        name = trial.active.key.name
        async with self._changing[name]:
            if self._trials.get(name) is not trial:
                return
            if verdict.decision == "roll_back":
                await self._end(trial, "rolled_back", verdict.reason)
                return
            if self._models.servables[name] is not trial.active:
                await self._end(trial, "stopped", self._activated_by_hand(name))
                return
            try:
                await self._registry.activate(name, trial.plan.version)
            except CtrError as error:
                await self._end(trial, "failed", error.detail)
            else:
                await self._end(trial, "promoted", verdict.reason)

    def _swapped(self, name: str) -> None:
        """What was compared with is not active any more, unless by a promotion of this rollout."""
        trial = self._trials.get(name)
        if trial is None or trial.is_over:
            return
        trial.end(self._models)
        self._own(self.stop(name, self._activated_by_hand(name)))

    def _activated_by_hand(self, name: str) -> str:
        return f"an operator has activated {self._models.servables[name].key}"

    async def _end(self, trial: Trial, event: Event, reason: str) -> None:
        key = trial.challenger.key
        trial.end(self._models)
        await trial.copies.close()
        record = _record_of(trial, event, reason, trial.plan)
        try:
            await self._store(key.name, record)
        except NotStored:
            log.exception("the end of a rollout is not on disk", extra={"model": str(key)})
        self._tell(key.name, record)
        self._trials.pop(key.name, None)
        if (shown := self._shown.pop(key.name, None)) is not None:
            shown.close()
        if self._models.servables[key.name] is not trial.challenger:
            with suppress(TimeoutError):  # the registry goes on to wait for it
                async with asyncio.timeout(FREED_WITHIN_S):
                    await self._registry.unload(key.name, key.version)

    async def _record(self, trial: Trial, event: Event, plan: RolloutPlan) -> None:
        """Raises NotStored, and then it has not happened."""
        name, record = trial.active.key.name, _record_of(trial, event, ASKED_FOR, plan)
        await self._store(name, record)
        self._tell(name, record)

    async def _store(self, name: str, record: Record) -> None:
        try:
            await asyncio.to_thread(append, self._registry.store, name, record)
        except (OSError, ArtifactRefused) as error:
            raise NotStored(
                f"the model store cannot say that a rollout {record['event']}: "
                f"{self._registry.store.public_reason(error)}"
            ) from None

    def _tell(self, name: str, record: Record) -> None:
        event = record["event"]
        self._last[name] = record
        self._metrics.rollout_events.labels(name, event).inc()
        say = log.error if event in {"rolled_back", "failed"} else log.info
        model = f"{name}@{record['version']}"
        say("rollout", extra={"model": model, "event": event, "reason": record["reason"]})

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(_forget, self._tasks))


def _forget(tasks: set[asyncio.Task[Any]], task: asyncio.Task[Any]) -> None:
    tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a rollout could not be ended", exc_info=error)


def _is_same(under_way: RolloutPlan, plan: RolloutPlan) -> bool:
    return (under_way.version, under_way.mode) == (plan.version, plan.mode)


def _record_of(trial: Trial, event: Event, reason: str, plan: RolloutPlan) -> Record:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"at": at, "event": event, "reason": reason, **_state_of(trial), **asdict(plan)}


def _state_of(trial: Trial) -> dict[str, Any]:
    """All that is known, and what would follow from it."""
    verdict, comparison = trial.verdict(), trial.comparison
    return {
        **asdict(trial.plan),
        "active": trial.active.key.version,
        "seconds": round(trial.seconds, 3),
        "requests": {
            side: {outcome: sums.count(outcome) for outcome in OUTCOMES}
            for side, sums in (("active", comparison.active), ("challenger", comparison.challenger))
        },
        "compared": comparison.pairs.requests,
        "verdict": verdict.reason,
        "measures": {name: asdict(one) for name, one in verdict.measures.items()},
    }
