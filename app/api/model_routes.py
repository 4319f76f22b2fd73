"""`GET /v1/models`: what is served, how good it was at training, and where it runs."""

from typing import Any

from fastapi import APIRouter

from app.api.openapi import problems
from app.registry.servable import Servable
from app.registry.served_models import ServedModels


def model_router(models: ServedModels) -> APIRouter:
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", summary="Every served model")
    async def list_models() -> dict[str, Any]:
        return {
            "default": models.default,
            "models": [_describe(servable) for servable in models.servables.values()],
        }

    @router.get("/v1/models/{name}", summary="One served model", responses=problems(404))
    async def show_model(name: str) -> dict[str, Any]:
        return _describe(models.route(name))

    return router


def _describe(servable: Servable) -> dict[str, Any]:
    version = servable.version
    manifest, priors = version.manifest, version.priors
    return {
        "name": manifest.name,
        "version": manifest.version,
        "state": "ACTIVE",
        "runtime": version.runtime.name,
        "runtime_detail": version.runtime.detail,
        "device": str(version.runtime.device),
        "created_at": manifest.created_at,
        "architecture": manifest.architecture.model_dump(),
        "features": manifest.features.model_dump(),
        "metrics": {split: metrics.model_dump() for split, metrics in manifest.metrics.items()},
        "ladder": [rung.model_dump() for rung in manifest.ladder],
        "prior": {
            "mean_ctr": priors.mean_ctr,
            "by": [field.name for field in manifest.features.behavior_fields[: len(priors.rates)]],
        },
    }
