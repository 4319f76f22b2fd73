"""What accompanies a request from its first byte to its log line."""

import logging
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.deadline import STAGES, StageTimes
from app.monitoring.metrics import Metrics

REQUEST_ID = "x-request-id"
REQUEST_ID_BYTES = REQUEST_ID.encode()
ACCEPTED_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
REQUEST_ID_LABEL = "request_id"
MAX_EXEMPLAR_CHARS = 128  # OpenMetrics' limit for names and values together
UNMATCHED = "unmatched"  # one label for every path that is not ours

log = logging.getLogger("app.request")


@dataclass(slots=True)
class RequestContext:
    """One request's id, stage times and the fields of its log line."""

    request_id: str
    times: StageTimes = field(default_factory=StageTimes)
    log: dict[str, Any] = field(default_factory=dict)
    started_s: float = field(default_factory=time.perf_counter)

    def elapsed_s(self) -> float:
        return time.perf_counter() - self.started_s


def context_of(request: Request) -> RequestContext:
    context: RequestContext = request.scope["ctr.context"]
    return context


class RequestContextMiddleware:
    """Pure ASGI: gives each request an id, and counts, times and logs it once it is answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._stage_seconds = {stage: metrics.stage_seconds.labels(stage) for stage in STAGES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = RequestContext(request_id_of(scope["headers"]))
        scope["ctr.context"] = context
        status = 500  # until an answer has started

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = context.request_id
                headers["server-timing"] = _server_timing(context)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._finish(scope, context, status)

    def _finish(self, scope: Scope, context: RequestContext, status: int) -> None:
        seconds = context.elapsed_s()
        route = getattr(scope.get("route"), "path", UNMATCHED)
        self._metrics.requests.labels(route, status).inc()
        self._metrics.request_seconds.labels(route).observe(seconds, _exemplar(context))
        for stage, stage_seconds in context.times.seconds.items():
            self._stage_seconds[stage].observe(stage_seconds)
        if route.startswith(("/health", "/metrics")) and status < 500:
            return  # probes and scrapes would drown everything else
        log.info(
            "request",
            extra={
                "request_id": context.request_id,
                "method": scope["method"],
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1e3, 3),
                "stages_ms": {
                    stage: round(value * 1e3, 3) for stage, value in context.times.seconds.items()
                },
                **context.log,
            },
        )


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's, if it is printable and short; nothing else reaches logs and headers."""
    for name, value in headers:
        if name == REQUEST_ID_BYTES:
            given = value.decode("latin-1")
            return given if ACCEPTED_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return uuid.uuid4().hex


def _exemplar(context: RequestContext) -> dict[str, str] | None:
    """Leads from a slow bucket to the log line of a request in it."""
    if len(REQUEST_ID_LABEL + context.request_id) > MAX_EXEMPLAR_CHARS:
        return None
    return {REQUEST_ID_LABEL: context.request_id}


def _server_timing(context: RequestContext) -> str:
    """Milliseconds of each stage, and of everything up to the answer's first byte."""
    stages = [f"{stage};dur={s * 1e3:.3f}" for stage, s in context.times.seconds.items()]
    return ", ".join([*stages, f"total;dur={context.elapsed_s() * 1e3:.3f}"])
