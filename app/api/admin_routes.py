"""Changes what is served: activates a version, or takes it back."""

from typing import Any

from fastapi import APIRouter, Depends

from app.api.admin_key import AdminKey
from app.api.model_routes import describe
from app.api.openapi import problems
from app.registry.registry import Registry


def admin_router(registry: Registry, key: AdminKey) -> APIRouter:
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
        return await describe(registry, await registry.activate(name, version))

    @router.post("/v1/models/{name}/rollback", summary="Serve what was active before")
    async def rollback(name: str) -> dict[str, Any]:
        """Takes no loading while the version before is kept in memory."""
        return await describe(registry, await registry.rollback(name))

    return router
