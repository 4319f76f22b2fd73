"""The way of the one busy route past FastAPI, whose layers cost more than reading the body."""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.door import Door
from app.api.head_as_get import as_get
from app.api.request_context import RequestContext, RequestRecorder
from app.errors import NotReady

Endpoint = Callable[[Request], Awaitable[bytes]]
ErrorRenderer = Callable[[Request, Exception], Response]

JSON_HEADER = (b"content-type", b"application/json")


class Shortcut:
    """Pure ASGI around the application: answers `POST path` with the JSON of the endpoint, and
    leaves everything else to the application, which has the route too and documents it."""

    def __init__(
        self,
        app: FastAPI,
        path: str,
        endpoint: Endpoint,
        render_error: ErrorRenderer,
        recorder: RequestRecorder,
        door: Door,
    ) -> None:
        self.door = door  # where the protocol looks for it
        self.application = app
        self._path = path
        self._endpoint = endpoint
        self._render_error = render_error
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == self._path and scope.get("method") == "POST":
            await self._answer(scope, receive, send)
        else:
            await self.application(as_get(scope), receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = RequestContext.of(scope)
        request = Request(scope, receive)
        status = 500  # until it is answered
        try:
            try:
                content = await self._endpoint(request)
            except CancelledError:
                status = NotReady.status  # the grace time is over, and the connection has said so
                raise
            except Exception as error:  # noqa: BLE001 - each has its answer
                response = self._render_error(request, error)
                status = response.status_code
                response.raw_headers += context.headers()
                await response(scope, receive, send)
            else:
                status = 200
                length = (b"content-length", b"%d" % len(content))
                headers = [JSON_HEADER, length, *context.headers()]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": content})
        finally:
            self._recorder.finish(context, "POST", self._path, status)
