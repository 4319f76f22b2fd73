"""What accompanies a request from its first byte to its log line."""

import logging
import random
import re
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.head_as_get import asked_method
from app.core.deadline import STAGES, StageTimes
from app.monitoring.logs import EventRecord
from app.monitoring.metrics import Metrics

REQUEST_ID = "x-request-id"
REQUEST_ID_BYTES = REQUEST_ID.encode()
ACCEPTED_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
REQUEST_ID_LABEL = "request_id"
MAX_EXEMPLAR_CHARS = 128  # OpenMetrics' limit for names and values together
CONTEXT = "ctr.context"  # where a scope has it
UNMATCHED = "unmatched"  # one label for every path that is not ours

log = logging.getLogger("app.request")


class RequestContext(Struct):
    """One request's id, stage times and the fields of its log line."""

    request_id: str
    times: StageTimes = field(default_factory=StageTimes)
    log: dict[str, Any] = {}
    started_s: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, scope: Scope) -> "RequestContext":
        """A new one, where those who handle the request find it."""
        context = scope[CONTEXT] = cls(request_id_of(scope["headers"]))
        return context

    def elapsed_s(self) -> float:
        return time.perf_counter() - self.started_s

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of the answer that is about to leave."""
        return [
            (REQUEST_ID_BYTES, self.request_id.encode()),
            (b"server-timing", _server_timing(self).encode()),
        ]


def context_of(request: Request) -> RequestContext:
    context: RequestContext = request.scope[CONTEXT]
    return context


class RequestRecorder:
    """Counts, times and logs requests once they are answered."""

    def __init__(self, metrics: Metrics) -> None:
        # Looked up once: routes and statuses are few.
        self._requests_of = cache(metrics.requests.labels)
        self._seconds_of = cache(metrics.request_seconds.labels)
        self._stage_seconds = {stage: metrics.stage_seconds.labels(stage) for stage in STAGES}

    def finish(self, context: RequestContext, method: str, route: str, status: int) -> None:
        seconds = context.elapsed_s()
        self._requests_of(route, status).inc()
        self._seconds_of(route).observe(seconds, _exemplar(context))
        for stage, stage_seconds in context.times.seconds.items():
            self._stage_seconds[stage].observe(stage_seconds)
        if route.startswith(("/health", "/metrics")) and status < 500:
            return  # probes and scrapes would drown everything else
        if not log.isEnabledFor(logging.INFO):
            return
        stages_ms = {stage: _ms(value) for stage, value in context.times.seconds.items()}
        log.handle(
            EventRecord(
                log.name,
                logging.INFO,
                "request",
                {
                    "request_id": context.request_id,
                    "method": method,
                    "route": route,
                    "status": status,
                    "duration_ms": _ms(seconds),
                    "stages_ms": stages_ms,
                    **context.log,
                },
            )
        )


class RequestContextMiddleware:
    """Pure ASGI: gives each request an id, and records it."""

    def __init__(self, app: ASGIApp, recorder: RequestRecorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = RequestContext.of(scope)
        status = 500  # until an answer has started

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *context.headers()]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            self._recorder.finish(context, asked_method(scope), route, status)


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's, if it is printable and short; nothing else reaches logs and headers."""
    for name, value in headers:
        if name == REQUEST_ID_BYTES:
            given = value.decode("latin-1")
            return given if ACCEPTED_REQUEST_ID.fullmatch(given) else _new_request_id()
    return _new_request_id()


def _new_request_id() -> str:
    """As long as a UUID; told apart, not kept secret, so that it need not ask the system."""
    return f"{random.getrandbits(128):032x}"


def _ms(seconds: float) -> float:
    """To the microsecond; `round` takes three times as long."""
    return int(seconds * 1e6) / 1e3


def _exemplar(context: RequestContext) -> dict[str, str] | None:
    """Leads from a slow bucket to the log line of a request in it."""
    # A quote, however escaped, is the end of a label to some who read exemplars.
    if len(REQUEST_ID_LABEL + context.request_id) > MAX_EXEMPLAR_CHARS or '"' in context.request_id:
        return None
    return {REQUEST_ID_LABEL: context.request_id}


def _server_timing(context: RequestContext) -> str:
    """Milliseconds of each stage, and of everything up to the answer's first byte."""
    stages = [f"{stage};dur={s * 1e3:.3f}" for stage, s in context.times.seconds.items()]
    return ", ".join([*stages, f"total;dur={context.elapsed_s() * 1e3:.3f}"])
