"""Models as `/v1/models` and administration show them."""

from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from app.registry.overview import Overview
from app.registry.registry import Registry
from app.registry.rollout.rollouts import Rollouts
from app.registry.servable import Servable


class ShownModels:
    """Those that a registry serves, with every version in the model store in short."""

    def __init__(self, registry: Registry, rollouts: Rollouts) -> None:
        self._models = registry.models
        self._registry = registry
        self._rollouts = rollouts
        self._overview = Overview(registry)

    async def all(self) -> Response:
        """And which of them answers requests that name none."""
        servables = list(self._models.servables.values())
        described = [await self._describe(servable) for servable in servables]
        return _json({"default": self._models.default, "models": described})

    async def one(self, name: str) -> Response:
        """Raises UnknownModel."""
        return _json(await self._describe(self._models.active(name)))

    async def _describe(self, servable: Servable) -> dict[str, Any]:
        version = servable.version
        manifest, priors = version.manifest, version.priors
        fields = manifest.features.behavior_fields
        return {
            "name": manifest.name,
            "version": manifest.version,
            "state": self._registry.status(servable.key).state,
            "runtime": version.runtime.name,
            "runtime_detail": version.runtime.detail,
            "device": str(version.runtime.device),
            "created_at": manifest.created_at,
            "architecture": manifest.architecture,
            "features": manifest.features,
            "metrics": manifest.metrics,
            "ladder": manifest.ladder,
            "prior": {
                "mean_ctr": priors.mean_ctr,
                "by": [field.name for field in fields[: len(priors.rates)]],
            },
            "labels": self._models.labels.get(manifest.name, {}),
            "rollout": self._rollouts.describe(manifest.name),
            "versions": await self._overview.versions(manifest.name),
        }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content, default=_plain), media_type="application/json")


def _plain(value: object) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError
