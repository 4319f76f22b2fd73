"""`GET /v1/models`: what is served, how good it was at training, and which versions there are."""

from typing import Any

from fastapi import APIRouter

from app.api.openapi import problems
from app.registry.overview import VersionOverview, versions_of
from app.registry.registry import Registry
from app.registry.rollout.rollouts import Rollouts
from app.registry.servable import Servable


def model_router(registry: Registry, rollouts: Rollouts) -> APIRouter:
    router = APIRouter(tags=["models"])
    models = registry.models

    @router.get("/v1/models", summary="Every served model")
    async def list_models() -> dict[str, Any]:
        servables = list(models.servables.values())
        return {
            "default": models.default,
            "models": [await describe(registry, rollouts, servable) for servable in servables],
        }

    @router.get("/v1/models/{name}", summary="One served model", responses=problems(404))
    async def show_model(name: str) -> dict[str, Any]:
        return await describe(registry, rollouts, models.active(name))

    return router


async def describe(registry: Registry, rollouts: Rollouts, servable: Servable) -> dict[str, Any]:
    """The active version, and in short every version of its name."""
    version = servable.version
    manifest, priors = version.manifest, version.priors
    return {
        "name": manifest.name,
        "version": manifest.version,
        "state": registry.status(servable.key).state,
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
        "labels": registry.models.labels.get(manifest.name, {}),
        "rollout": rollouts.describe(manifest.name),
        "versions": [_in_short(one) for one in await versions_of(registry, manifest.name)],
    }


def _in_short(one: VersionOverview) -> dict[str, Any]:
    manifest = one.manifest
    return {
        "version": one.version,
        "state": one.status.state,
        "reason": one.status.reason,
        "created_at": manifest and manifest.created_at,
        "architecture": manifest and manifest.architecture.name,
        "metrics": manifest
        and {split: metrics.model_dump() for split, metrics in manifest.metrics.items()},
    }
