"""The way of the one busy route past FastAPI, whose layers cost more than reading the body."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class Shortcut:
    """Pure ASGI: answers `POST path` with the endpoint, and leaves everything else to the app.

    Errors are rendered by the app's own handlers. The app has the route too: it documents it and
    refuses its other methods.
    """

    def __init__(
        self, app: ASGIApp, path: str, endpoint: Endpoint, error_handlers: Mapping[Any, Any]
    ) -> None:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)

        handlers = {kind: error_handlers[kind] for kind in error_handlers if kind is not Exception}
        self._app = app
        self._path = path
        self._route = Route(path, endpoint, methods=["POST"])
        self._answer = ExceptionMiddleware(answer, handlers=handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == self._path and scope.get("method") == "POST":
            scope["route"] = self._route  # for the metrics
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
