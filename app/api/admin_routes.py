"""Changes what is served: activates a version, or takes it back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request

from app.api.admin_bodies import LabelBody, RolloutBody, read_admin_body
from app.api.admin_key import AdminKey
from app.api.limits import RequestLimits
from app.api.model_routes import describe
from app.api.openapi import json_body, problems
from app.registry.labeling import Labeling
from app.registry.labels import LABEL_PATTERN
from app.registry.registry import Registry
from app.registry.rollout.plan import RolloutPlan
from app.registry.rollout.rollouts import Rollouts

STOPPED = "an operator has stopped it"


def admin_router(
    registry: Registry,
    labeling: Labeling,
    rollouts: Rollouts,
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
    )
    async def activate(name: str, version: str) -> dict[str, Any]:
        """Answers once it serves. If it is refused, the version before goes on serving."""
        return await describe(registry, rollouts, await registry.activate(name, version))

    @router.post("/v1/models/{name}/rollback", summary="Serve what was active before")
    async def rollback(name: str) -> dict[str, Any]:
        """Takes no loading while the version before is kept in memory."""
        return await describe(registry, rollouts, await registry.rollback(name))

    @router.put(
        "/v1/models/{name}/labels/{label}",
        summary="Point a label to a loaded version",
        responses=problems(400, 413, 422),
        openapi_extra={"requestBody": json_body(LabelBody)},
    )
    async def put_label(
        name: str, label: Annotated[str, Path(pattern=LABEL_PATTERN)], request: Request
    ) -> dict[str, Any]:
        """Requests for NAME@LABEL are answered by it, and it stays in memory, now and after a
        restart."""
        body = await read_admin_body(request, LabelBody, limits)
        await labeling.put(name, label, body.version)
        return await describe(registry, rollouts, registry.models.active(name))

    @router.delete("/v1/models/{name}/labels/{label}", summary="Take a label away")
    async def remove_label(name: str, label: str) -> dict[str, Any]:
        """A version that nothing else keeps in memory is let go."""
        await labeling.remove(name, label)
        return await describe(registry, rollouts, registry.models.active(name))

    @router.put(
        "/v1/models/{name}/rollout",
        summary="Try a version beside the active one",
        responses=problems(400, 413, 422),
        openapi_extra={"requestBody": json_body(RolloutBody)},
    )
    async def roll_out(name: str, request: Request) -> dict[str, Any]:
        """It is promoted or rolled back by itself. Percent 0 stops it."""
        body = await read_admin_body(request, RolloutBody, limits)
        if body.percent == 0:
            await rollouts.stop(name, STOPPED)
        else:
            await rollouts.start(name, RolloutPlan(body.version, body.mode, body.percent))
        return await describe(registry, rollouts, registry.models.active(name))

    @router.delete("/v1/models/{name}/rollout", summary="Stop what is tried")
    async def stop_rollout(name: str) -> dict[str, Any]:
        """The active version answers everybody again."""
        await rollouts.stop(name, STOPPED)
        return await describe(registry, rollouts, registry.models.active(name))

    return router
