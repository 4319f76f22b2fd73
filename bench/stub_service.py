"""The service without its model, and the least that any service behind its server would do."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager

import numpy as np
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.app import build_api
from app.api.rank_routes import RequestLimits
from app.api.server import Server, bind
from app.cli.background_server import running_in_background
from app.core.batch import RaggedBatch, Scores
from app.features.feature_reader import FeatureReader
from app.main import load_models, open_store
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.settings import Settings

MAX_CANDIDATES, MAX_BEHAVIORS = 20_000, 1_000  # of one batch
GRACE_S = 5


class StubRuntime:
    """Answers at once with prepared numbers of the right shape."""

    name = "stub"

    def __init__(self) -> None:
        rng = np.random.default_rng(7)
        self._logits_C = rng.normal(-3.0, 1.0, MAX_CANDIDATES).astype(np.float32)
        self._attention_CT = np.broadcast_to(np.float32(0.02), (MAX_CANDIDATES, MAX_BEHAVIORS))

    def score(self, batch: RaggedBatch, _: Sequence[str]) -> Scores:
        candidates, behaviors = len(batch.user_of_C), int(batch.lengths_U.max())
        return Scores(self._logits_C[:candidates], self._attention_CT[:candidates, :behaviors])


def service_without_model(settings: Settings, redis_url: str) -> FastAPI:
    """As `app.main.build_service` puts it together, with a stub in place of each runtime."""
    metrics = Metrics()
    models = load_models(settings, metrics)
    for servable in models.servables.values():
        servable.version.runtime = StubRuntime()
    timeout_s = settings.redis_timeout_ms / 1e3
    store = open_store(settings, redis_url, timeout_s=timeout_s)
    features = FeatureReader(store, metrics, timeout_s=timeout_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await models.drain()
        await features.close()
        await store.close()

    limits = RequestLimits(
        max_body_bytes=settings.max_body_bytes,
        body_timeout_s=settings.body_timeout_s,
        default_deadline_ms=settings.default_deadline_ms,
        max_deadline_ms=settings.max_deadline_ms,
    )
    return build_api(Ranker(models, features, metrics), models, metrics, limits, lifespan=lifespan)


def floor_application(answer_bytes: int) -> ASGIApp:
    """Reads the body and answers with as many bytes."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"%d" % answer_bytes)],
    }
    body = {"type": "http.response.body", "body": b"x" * answer_bytes}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send(start)
        await send(body)

    return application


@contextmanager
def listening(application: ASGIApp) -> Iterator[str]:
    """The application behind the service's own server, in a thread; its URL."""
    with closing(bind("127.0.0.1", 0)) as listener:
        server = Server.of(application, shutdown_grace_s=GRACE_S)  # type: ignore[arg-type]
        with running_in_background(server, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
