"""The composition root: builds every object from the settings, opens and closes them."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

from fastapi import FastAPI
from starlette.types import ASGIApp

from app.api.admin_key import AdminKey
from app.api.app import build_api
from app.api.lifecycle import ENGINES_SHARE, Lifecycle
from app.api.limits import RequestLimits
from app.errors import StartupRefused
from app.features.feature_reader import FeatureReader
from app.features.recent_histories import RecentHistories
from app.features.redis_store import RedisStore, connect
from app.inference.admission import Admission
from app.inference.batch_policy import BatchPolicy
from app.inference.concurrency import default_batch_pairs, default_engine_threads
from app.inference.cpus import usable_cpus
from app.inference.device import resolve_device
from app.inference.fused.user_state_cache import UserStateCache
from app.inference.torch_process import prepare_torch
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.recording.record_files import RecordFiles
from app.recording.recorder import Recorder
from app.registry.background import prefer_requests
from app.registry.copies import CopyPlace
from app.registry.labeling import Labeling
from app.registry.loading import VersionLoader
from app.registry.model_store import StoreRules
from app.registry.opening import open_model_store
from app.registry.registry import Registry
from app.registry.rollout.copies import CopyRoom
from app.registry.rollout.gate import GateRules
from app.registry.rollout.rollouts import Rollouts
from app.registry.servable import Running
from app.registry.served_models import ServedModels, choose_default
from app.registry.version_states import VersionKey
from app.settings import Settings, unknown_variables

REDIS_URL_RULE = (
    "it must be a redis://, rediss:// or unix:// URL, or one of redis+sentinel:// or "
    "redis+cluster://, with known options, special characters of its password percent-encoded"
)

log = logging.getLogger(__name__)


def lifecycle_of(settings: Settings) -> Lifecycle:
    return Lifecycle(
        shutdown_delay_s=settings.shutdown_delay_s, shutdown_grace_s=settings.shutdown_grace_s
    )


def build_service(settings: Settings, redis_url: str, lifecycle: Lifecycle) -> ASGIApp:
    """Loads and verifies every active model. Raises StartupRefused."""
    for name in unknown_variables():
        log.warning("not a setting of this service", extra={"variable": name})
    prepare_torch(threads=settings.torch_threads)
    prefer_requests()
    metrics = Metrics()
    recorder = open_recorder(settings, metrics)
    loader = version_loader(settings, metrics, recorder)
    models = load_models(settings, loader)
    registry = Registry(models, loader, metrics, keep_previous=settings.keep_previous_version)
    labeling = Labeling(registry)
    redis_timeout_s = settings.redis_timeout_ms / 1e3
    store = open_store(settings, redis_url, timeout_s=redis_timeout_s, metrics=metrics)
    recent = RecentHistories(
        metrics,
        max_bytes=settings.stale_history_mib * 2**20,
        max_age_s=settings.stale_history_max_age_s,
    )
    features = FeatureReader(store, metrics, timeout_s=redis_timeout_s, recent=recent)
    admission = Admission(threads=engine_threads(settings))
    room = CopyRoom(admission, threads=engine_threads(settings))
    rollouts = Rollouts(registry, room, gate_rules(settings), metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        metrics.event_loop_tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
        beating = loop.create_task(lifecycle.heartbeat.beat(metrics.event_loop_lag_seconds))
        await _greet_redis(store)
        await labeling.resume()
        registry.prepare_rollbacks()
        resuming = loop.create_task(rollouts.resume())
        yield
        resuming.cancel()
        await asyncio.wait([resuming])
        await rollouts.close()
        await _drain(registry, lifecycle)
        if recorder is not None:
            await asyncio.to_thread(recorder.close)
        await features.close()
        await store.close()
        beating.cancel()
        await beating

    _tell_how_models_run(models, settings)
    return build_api(
        Ranker(models, features, admission, metrics, prior_fallback=settings.prior_fallback),
        registry,
        labeling,
        rollouts,
        metrics,
        RequestLimits(
            max_body_bytes=settings.max_body_bytes,
            body_timeout_s=settings.body_timeout_s,
            default_deadline_ms=settings.default_deadline_ms,
            max_deadline_ms=settings.max_deadline_ms,
        ),
        admission,
        lifecycle,
        admin_key=AdminKey(settings.admin_key),
        lifespan=lifespan,
    )


def engine_threads(settings: Settings) -> int:
    return settings.engine_threads or default_engine_threads(resolve_device(settings.device))


def load_models(settings: Settings, loader: VersionLoader) -> ServedModels:
    """Every active version. Raises StartupRefused."""
    active = loader.store.active_versions()
    default = choose_default(active, settings.default_model)
    keys = [VersionKey(name, version) for name, version in active.items()]
    servables = {key.name: loader.open(loader.load(key)) for key in keys}
    return ServedModels(servables, default=default)


def gate_rules(settings: Settings) -> GateRules:
    return GateRules(
        max_ctr_change=settings.rollout_max_ctr_change,
        min_rank_correlation=settings.rollout_min_rank_correlation,
        max_psi=settings.rollout_max_psi,
        max_nan_rate=settings.rollout_max_failure_rate,
        max_error_rate=settings.rollout_max_failure_rate,
        max_latency_ratio=settings.rollout_max_latency_ratio,
        min_requests=settings.rollout_min_requests,
        min_s=settings.rollout_min_s,
    )


def open_recorder(settings: Settings, metrics: Metrics) -> Recorder | None:
    """None where nothing is recorded. Raises StartupRefused where it could not be."""
    if not settings.record_share:
        return None
    files = RecordFiles(settings.record_folder, settings.record_mib * 2**20)
    try:
        files.make_folder()
    except OSError as error:
        raise StartupRefused(
            f"CTR_RECORD_FOLDER: nothing can be recorded in {files.folder}: {error.strerror}"
        ) from None
    key = settings.record_key
    return Recorder(
        files,
        metrics,
        share=settings.record_share,
        key=secrets.token_bytes(32)
        if key is None
        else sha256(key.get_secret_value().encode()).digest(),
    )


def version_loader(
    settings: Settings, metrics: Metrics, recorder: Recorder | None = None
) -> VersionLoader:
    """Raises StartupRefused."""
    rules = StoreRules.of(
        max_version_mib=settings.max_version_mib, trusted_keys=settings.trusted_keys
    )
    copies = CopyPlace(settings.model_copies, settings.model_copies_mib * 2**20)
    store = open_model_store(settings.model_store, rules, copies)
    device = resolve_device(settings.device)
    policy = BatchPolicy(
        max_batch_pairs=settings.max_batch_pairs or default_batch_pairs(device),
        max_queued_pairs=settings.max_queued_pairs,
    )
    running = Running(
        runtime=settings.runtime,
        threads=engine_threads(settings),
        user_states=UserStateCache(settings.user_state_cache_mib * 2**20, metrics),
    )
    return VersionLoader(store, device, policy, metrics, running, recorder)


def open_store(
    settings: Settings, redis_url: str, *, timeout_s: float, metrics: Metrics | None = None
) -> RedisStore:
    """A store whose connections open when they are first needed. Raises StartupRefused."""
    password = settings.redis_sentinel_password
    try:
        redis = connect(
            redis_url,
            timeout_s=timeout_s,
            metrics=metrics,
            sentinel_username=settings.redis_sentinel_username,
            sentinel_password=None if password is None else password.get_secret_value(),
        )
    except ValueError:
        # The reason may quote a part of the password, where that has a `/` or `#` in it.
        raise StartupRefused(f"CTR_REDIS_URL: {REDIS_URL_RULE}") from None
    except OSError as error:  # which quotes no path
        raise StartupRefused(
            "CTR_REDIS_URL: a file that its options name cannot be used: "
            f"{error.strerror or type(error).__name__}"
        ) from None
    return RedisStore(redis, max_stored_behaviors=settings.max_stored_behaviors)


def _tell_how_models_run(models: ServedModels, settings: Settings) -> None:
    """Once nothing can be refused any more: whoever does not start says nothing but why."""
    for servable in models.servables.values():
        log.info("serving a model", extra=servable.description())
    log.info(
        "threads",
        extra={"usable_cpus": usable_cpus(), "torch_threads": settings.torch_threads},
    )


async def _drain(registry: Registry, lifecycle: Lifecycle) -> None:
    """Everybody has been answered by now; a batch that nobody waits for may still be computed."""
    try:
        async with asyncio.timeout(lifecycle.remaining_s(ENGINES_SHARE)):
            await registry.drain()
    except TimeoutError:
        lifecycle.gave_up = True
        log.warning("gave up batches that were still computed")


async def _greet_redis(store: RedisStore) -> None:
    """Connects before the first request does; without Redis the service answers degraded."""
    reason = await store.connection_problem()
    if reason is not None:
        log.warning("Redis does not answer, starting without it", extra={"reason": reason})
