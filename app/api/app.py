"""The application, put together from its routers."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from app.api.admin_bodies import LabelBody, RolloutBody
from app.api.admin_key import AdminKey
from app.api.admin_routes import admin_router
from app.api.door import RANK_PATH, Door
from app.api.lifecycle import Lifecycle
from app.api.limits import RequestLimits
from app.api.model_routes import model_router
from app.api.openapi import Problem, add_schemas
from app.api.probe_routes import probe_router
from app.api.problem import ErrorRenderer, add_error_handlers
from app.api.rank_routes import rank_endpoint, rank_router
from app.api.request_context import RequestContextMiddleware, RequestRecorder
from app.api.shortcut import Shortcut
from app.api.shown_models import ShownModels
from app.api.wire import RankBody
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.labeling import Labeling
from app.registry.registry import Registry
from app.registry.rollout.rollouts import Rollouts

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_api(  # noqa: PLR0913, PLR0917 - all that the edge is put together from
    ranker: Ranker,
    registry: Registry,
    labeling: Labeling,
    rollouts: Rollouts,
    metrics: Metrics,
    limits: RequestLimits,
    admission: Admission,
    lifecycle: Lifecycle,
    *,
    admin_key: AdminKey,
    lifespan: Lifespan,
) -> Shortcut:
    app = FastAPI(
        title="ctr-serve",
        summary="Ranked, explained click-through rates within an ad server's deadline.",
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would point wherever the Host header says
    )
    door = Door(admission, limits, metrics, loop_lag_s=lifecycle.heartbeat.recent_lag_s)
    rank = rank_endpoint(ranker, door, limits)
    render_error, recorder = ErrorRenderer(metrics), RequestRecorder(metrics)
    add_error_handlers(app, render_error)
    app.add_middleware(RequestContextMiddleware, recorder=recorder)
    app.include_router(rank_router(rank))
    shown = ShownModels(registry, rollouts)
    app.include_router(model_router(shown))
    app.include_router(admin_router(registry, labeling, rollouts, shown, admin_key, limits))
    app.include_router(
        probe_router(
            metrics.registry, lambda: registry.models.is_ready() and not lifecycle.is_stopping
        )
    )
    add_schemas(app, RankBody, LabelBody, RolloutBody, Problem)
    return Shortcut(app, RANK_PATH, rank, render_error, recorder, door)
