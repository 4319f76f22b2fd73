"""`GET /v1/models`: what is served, how good it was at training, and which versions there are."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from app.api.openapi import problems
from app.api.shown_models import ShownModels


def model_router(shown: ShownModels) -> APIRouter:
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", summary="Every served model", response_model=dict[str, Any])
    async def list_models() -> Response:
        """What is in the model store is read anew once a second at most."""
        return await shown.all()

    @router.get(
        "/v1/models/{name}",
        summary="One served model",
        response_model=dict[str, Any],
        responses=problems(404),
    )
    async def show_model(name: str) -> Response:
        return await shown.one(name)

    return router
