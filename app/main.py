"""The composition root: builds every object from the settings, opens and closes them."""

import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import torch
import uvicorn
from fastapi import FastAPI
from redis.exceptions import RedisError

from app.api.app import build_api
from app.api.rank_routes import RequestLimits
from app.errors import StartupRefused
from app.features.feature_reader import FeatureReader
from app.features.redis_store import RedisStore, connect
from app.inference.allocator import keep_freed_memory
from app.inference.batch_policy import BatchPolicy
from app.inference.device import resolve_device
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.model_store import ModelStore
from app.registry.servable import load_servable
from app.registry.served_models import ServedModels, choose_default
from app.settings import Settings, unknown_variables

KEEP_ALIVE_S = 75  # longer than a load balancer's 60, so that it is never us who hangs up first

log = logging.getLogger(__name__)


def build_service(settings: Settings, redis_url: str) -> FastAPI:
    """Loads and verifies every active model. Raises StartupRefused."""
    for name in unknown_variables():
        log.warning("not a setting of this service", extra={"variable": name})
    keep_freed_memory()
    torch.set_num_threads(settings.torch_threads)
    metrics = Metrics()
    models = load_models(settings, metrics)
    store = open_store(settings, redis_url)
    features = FeatureReader(store, metrics, timeout_s=settings.redis_timeout_ms / 1e3)

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


def open_store(settings: Settings, redis_url: str) -> RedisStore:
    """A store whose connections open when they are first needed. Raises StartupRefused."""
    try:
        client = connect(redis_url, timeout_s=settings.redis_timeout_ms / 1e3)
    except ValueError as error:
        raise StartupRefused(f"CTR_REDIS_URL: {error}") from None
    return RedisStore(client, max_stored_behaviors=settings.max_stored_behaviors)


def listen(host: str, port: int) -> socket.socket:
    """Raises StartupRefused when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StartupRefused(f"cannot listen on {host}:{port}: {reason}") from None
    return listener


def uvicorn_server(service: FastAPI, settings: Settings) -> uvicorn.Server:
    return uvicorn.Server(
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
    try:
        await store.ping()
    except (RedisError, OSError) as error:
        log.warning("Redis does not answer, starting without it", extra={"reason": str(error)})
