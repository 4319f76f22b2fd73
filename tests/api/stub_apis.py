"""The real HTTP edge in front of rankers that do not rank."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from fastapi import FastAPI

from app.api.admin_key import AdminKey
from app.api.app import build_api
from app.api.lifecycle import Lifecycle
from app.api.limits import RequestLimits
from app.api.shortcut import Shortcut
from app.core.request import RankRequest
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.labeling import Labeling
from app.registry.served_models import ServedModels
from tests.registry.registries import registry_of, rollouts_of

LIMITS = RequestLimits(
    max_body_bytes=2**20, body_timeout_s=5, default_deadline_ms=1000, max_deadline_ms=1000
)


class BuggyRanker(Ranker):
    """Fails in a way that nobody thought of."""

    def __init__(self, detail: str) -> None:
        self._detail = detail

    async def rank(self, request: RankRequest, *_: object) -> NoReturn:
        raise RuntimeError(self._detail)


class EndlessRanker(Ranker):
    """Ranks until it is cancelled; both are told to the test's thread."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cancelled = threading.Event()

    async def rank(self, request: RankRequest, *_: object) -> NoReturn:
        self.started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.cancelled.set()


def api_with(
    ranker: Ranker,
    models: ServedModels,
    metrics: Metrics,
    admission: Admission | None = None,
) -> Shortcut:
    @asynccontextmanager
    async def nothing_to_open(_: FastAPI) -> AsyncIterator[None]:
        yield

    admission = admission or Admission(threads=1)
    registry = registry_of(models, metrics)
    lifecycle = Lifecycle(shutdown_delay_s=0, shutdown_grace_s=1)
    return build_api(
        ranker,
        registry,
        Labeling(registry),
        rollouts_of(registry, metrics),
        metrics,
        LIMITS,
        admission,
        lifecycle,
        admin_key=AdminKey(None),
        lifespan=nothing_to_open,
    )
