"""Changes what is served: activates a version, or takes it back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from app.api.admin_bodies import LabelBody, RolloutBody, read_admin_body
from app.api.admin_key import AdminKey
from app.api.limits import RequestLimits
from app.api.openapi import json_body, problems
from app.api.shown_models import ShownModels
from app.registry.labeling import Labeling
from app.registry.labels import LABEL_PATTERN
from app.registry.registry import Registry
from app.registry.rollout.plan import RolloutPlan
from app.registry.rollout.rollouts import Rollouts

STOPPED = "an operator has stopped it"
Shown = dict[str, Any]  # the model, as `GET /v1/models/{name}` shows it


def admin_router(
    registry: Registry,
    labeling: Labeling,
    rollouts: Rollouts,
    shown: ShownModels,
    key: AdminKey,
    limits: RequestLimits,
) -> APIRouter:
    router = APIRouter(
        tags=["administration"],
        dependencies=[Depends(key.check)],
        responses=problems(401, 403, 404, 409, 503, 507),
    )

    @router.post(
        "/v1/models/{name}/versions/{version}/activate",
        summary="Serve this version, now and after a restart",
        response_model=Shown,
    )
    async def activate(name: str, version: str) -> Response:
        """Answers once it serves. If it is refused, the version before goes on serving."""
        await registry.activate(name, version)
        return await shown.one(name)

    @router.post(
        "/v1/models/{name}/rollback",
        summary="Serve what was active before",
        response_model=Shown,
    )
    async def rollback(name: str) -> Response:
        """Takes no loading while the version before is kept in memory."""
        await registry.rollback(name)
        return await shown.one(name)

    @router.put(
        "/v1/models/{name}/labels/{label}",
        summary="Point a label to a loaded version",
        response_model=Shown,
        responses=problems(400, 413, 422),
        openapi_extra={"requestBody": json_body(LabelBody)},
    )
    async def put_label(
        name: str, label: Annotated[str, Path(pattern=LABEL_PATTERN)], request: Request
    ) -> Response:
        """Requests for NAME@LABEL are answered by it, and it stays in memory, now and after a
        restart."""
        body = await read_admin_body(request, LabelBody, limits)
        await labeling.put(name, label, body.version)
        return await shown.one(name)

    @router.delete(
        "/v1/models/{name}/labels/{label}", summary="Take a label away", response_model=Shown
    )
    async def remove_label(name: str, label: str) -> Response:
        """A version that nothing else keeps in memory is let go."""
        await labeling.remove(name, label)
        return await shown.one(name)

    @router.put(
        "/v1/models/{name}/rollout",
        summary="Try a version beside the active one",
        response_model=Shown,
        responses=problems(400, 413, 422),
        openapi_extra={"requestBody": json_body(RolloutBody)},
    )
    async def roll_out(name: str, request: Request) -> Response:
        """It is promoted or rolled back by itself. Percent 0 stops it."""
        body = await read_admin_body(request, RolloutBody, limits)
        if body.percent == 0:
            await rollouts.stop(name, STOPPED)
        else:
            await rollouts.start(name, RolloutPlan(body.version, body.mode, body.percent))
        return await shown.one(name)

    @router.delete("/v1/models/{name}/rollout", summary="Stop what is tried", response_model=Shown)
    async def stop_rollout(name: str) -> Response:
        """The active version answers everybody again."""
        await rollouts.stop(name, STOPPED)
        return await shown.one(name)

    return router
