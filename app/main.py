"""The composition root: builds every object from the settings, opens and closes them."""

import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.app import build_api
from app.api.rank_routes import RequestLimits
from app.errors import StartupRefused
from app.features.feature_reader import FeatureReader
from app.features.redis_store import REDIS_ERRORS, RedisStore, connect
from app.inference.batch_policy import BatchPolicy
from app.inference.device import resolve_device
from app.inference.torch_process import prepare_torch
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.model_store import ModelStore
from app.registry.servable import load_servable
from app.registry.served_models import ServedModels, choose_default
from app.settings import Settings, unknown_variables

REDIS_URL_RULE = (
    "it must be a redis://, rediss:// or unix:// URL with known options, special characters of "
    "its password percent-encoded"
)
KEEP_ALIVE_S = 75  # longer than a load balancer's 60, so that it is never us who hangs up first

log = logging.getLogger(__name__)


def build_service(settings: Settings, redis_url: str) -> FastAPI:
    """Loads and verifies every active model. Raises StartupRefused."""
    for name in unknown_variables():
        log.warning("not a setting of this service", extra={"variable": name})
    prepare_torch(threads=settings.torch_threads)
    metrics = Metrics()
    models = load_models(settings, metrics)
    redis_timeout_s = settings.redis_timeout_ms / 1e3
    store = open_store(settings, redis_url, timeout_s=redis_timeout_s)
    features = FeatureReader(store, metrics, timeout_s=redis_timeout_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await _greet_redis(store)
        yield
        await models.drain()
        await features.close()
        await store.close()

    return build_api(
        Ranker(models, features, metrics),
        models,
        metrics,
        RequestLimits(
            max_body_bytes=settings.max_body_bytes,
            body_timeout_s=settings.body_timeout_s,
            default_deadline_ms=settings.default_deadline_ms,
            max_deadline_ms=settings.max_deadline_ms,
        ),
        lifespan=lifespan,
    )


def load_models(settings: Settings, metrics: Metrics) -> ServedModels:
    store = ModelStore(settings.model_store)
    active = store.active_versions()
    default = choose_default(active, settings.default_model)
    device = resolve_device(settings.device)
    policy = BatchPolicy(
        max_batch_pairs=settings.max_batch_pairs, max_queued_pairs=settings.max_queued_pairs
    )
    servables = {
        name: load_servable(
            store.load(name, version), device, policy, metrics, threads=settings.engine_threads
        )
        for name, version in active.items()
    }
    return ServedModels(servables, default=default)


def open_store(settings: Settings, redis_url: str, *, timeout_s: float) -> RedisStore:
    """A store whose connections open when they are first needed. Raises StartupRefused."""
    try:
        client = connect(redis_url, timeout_s=timeout_s)
        # An unknown option shows only here.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, *REDIS_ERRORS):
        # The reason may quote a part of the password, where that has a `/` or `#` in it.
        raise StartupRefused(f"CTR_REDIS_URL: {REDIS_URL_RULE}") from None
    return RedisStore(client, max_stored_behaviors=settings.max_stored_behaviors)


def listen(host: str, port: int) -> socket.socket:
    """Raises StartupRefused when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise StartupRefused(f"cannot listen on {host}:{port}: {reason}") from None
    return listener


def _accept(listener: socket.socket, backlog: int) -> tuple[str, int]:
    """The address; uvloop would hide that another process has begun to listen there meanwhile."""
    host, port = listener.getsockname()[:2]
    try:
        listener.listen(backlog)
    except OSError as error:
        raise StartupRefused(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return host, port


class Server(uvicorn.Server):
    """Says where it listens, and returns after SIGTERM so that whoever runs it can clean up."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        addresses = [_accept(listener, self.config.backlog) for listener in sockets or ()]
        await super().startup(sockets)
        for host, port in addresses:
            log.info("listening", extra={"host": host, "port": port})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:
            self.should_exit = True  # uvicorn would raise the signal again and end the process
        else:
            super().handle_exit(sig, frame)


def uvicorn_server(service: FastAPI, settings: Settings) -> Server:
    return Server(
        uvicorn.Config(
            service,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.shutdown_grace_s,
        )
    )


async def _greet_redis(store: RedisStore) -> None:
    """Connects before the first request does; without Redis the service answers degraded."""
    reason = await store.connection_problem()
    if reason is not None:
        log.warning("Redis does not answer, starting without it", extra={"reason": reason})
