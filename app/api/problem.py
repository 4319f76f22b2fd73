"""Errors as RFC 9457 problem details; nothing internal leaves with them."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.hanging_up import ClientLeft
from app.api.head_as_get import allow_head
from app.api.problem_json import MEDIA_TYPE, problem_json
from app.api.request_context import REQUEST_ID, context_of
from app.errors import AdminKeyMissing, CtrError, FieldError, InvalidRequest, Overloaded
from app.monitoring.metrics import Metrics

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499  # nginx's number for it
MAX_REPORTED_ERRORS = 20
SHED_STATUSES = frozenset({429, 503, 504})


class ErrorRenderer:
    """The answer to a request that an error has ended."""

    def __init__(self, metrics: Metrics) -> None:
        self._shed = metrics.shed

    def __call__(self, request: Request, error: Exception) -> Response:
        if isinstance(error, CtrError):
            return self._ctr_error(request, error)
        if isinstance(error, ClientLeft):
            return _client_left(request)
        return _bug(request, error)

    def _ctr_error(self, request: Request, error: CtrError) -> Response:
        if error.status in SHED_STATUSES:
            self._shed.labels(error.slug).inc()
        context_of(request).log["error"] = error.slug
        return problem(
            request,
            status=error.status,
            title=error.title,
            detail=error.detail,
            more=_members(error),
            headers=_headers(error),
        )


def add_error_handlers(app: FastAPI, render: ErrorRenderer) -> None:
    async def on_error(request: Request, error: Exception) -> Response:
        return render(request, error)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it only
        return render(request, InvalidRequest(_field_errors(error)))

    async def on_bug(request: Request, error: Exception) -> Response:
        response = render(request, error)
        response.headers[REQUEST_ID] = context_of(request).request_id  # outside of our middleware
        return response

    for kind in (CtrError, ClientLeft):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, on_bug)


def _field_errors(error: RequestValidationError) -> list[FieldError]:
    """Of what FastAPI has checked: paths and small bodies."""
    return [
        FieldError(".".join(map(str, one["loc"][1:])) or "body", one["msg"])
        for one in error.errors()[:MAX_REPORTED_ERRORS]
    ]


def problem(
    request: Request,
    *,
    status: int,
    title: str,
    detail: str,
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    request_id = context_of(request).request_id
    slug = None if title == detail else title.lower().replace(" ", "-")  # as `CtrError.slug`
    content = problem_json(
        slug, status=status, title=title, detail=detail, request_id=request_id, **(more or {})
    )
    return Response(content, status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = allow_head(headers["Allow"])
    return problem(
        request,
        status=error.status_code,
        title=error.detail,
        detail=error.detail,
        headers=headers,
    )


def _client_left(request: Request) -> Response:
    """Reaches nobody, but the log and the metrics tell it from an answer."""
    context_of(request).log["error"] = "client-left"
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _bug(request: Request, error: Exception) -> Response:
    """Not an input's fault: the log has the traceback, the client a request id to quote."""
    log.error("unexpected error", exc_info=error)
    return problem(
        request,
        status=500,
        title="Internal error",
        detail="an unexpected error; it was logged",
    )


def _members(error: CtrError) -> dict[str, Any]:
    return {"errors": error.errors} if isinstance(error, InvalidRequest) else {}


def _headers(error: CtrError) -> dict[str, str]:
    if isinstance(error, Overloaded):
        return {"Retry-After": str(error.retry_after_s)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, AdminKeyMissing) else {}
