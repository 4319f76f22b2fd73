"""What orchestrators and Prometheus ask: alive, ready, metrics."""

from collections.abc import Callable

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.api.openapi import problems
from app.api.problem import problem
from app.errors import NotReady


def probe_router(registry: CollectorRegistry, is_ready: Callable[[], bool]) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/health/live", summary="The process answers")
    async def live() -> Response:
        return JSONResponse({"status": "live"})

    @router.get("/health/ready", summary="Models are loaded and warm", responses=problems(503))
    async def ready(request: Request) -> Response:
        if not is_ready():
            return problem(request, status=503, title=NotReady.title, detail="draining")
        return JSONResponse({"status": "ready"})

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=PlainTextResponse,
        responses={200: {"content": {"application/openmetrics-text": {}}}},
    )
    async def metrics(request: Request) -> Response:
        if "application/openmetrics-text" in request.headers.get("accept", ""):
            content = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return Response(content, headers={"content-type": openmetrics.CONTENT_TYPE_LATEST})
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    return router
