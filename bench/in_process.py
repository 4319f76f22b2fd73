"""Servers in this process, so that their CPU time can be told apart: the service, and the least
that any service behind the same server would do."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.lifecycle import Lifecycle
from app.api.server import Server, bind
from app.cli.background_server import running_in_background

GRACE_S = 5


def floor_application(answer_bytes: int) -> ASGIApp:
    """Reads the body and answers with as many bytes."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"%d" % answer_bytes)],
    }
    body = {"type": "http.response.body", "body": b"x" * answer_bytes}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send(start)
        await send(body)

    return application


@contextmanager
def listening(application: ASGIApp) -> Iterator[str]:
    """The application behind the service's own server, in a thread; its URL."""
    with closing(bind("127.0.0.1", 0)) as listener:
        lifecycle = Lifecycle(shutdown_delay_s=0, shutdown_grace_s=GRACE_S)
        server = Server.of(application, lifecycle, head_timeout_s=GRACE_S, answer_timeout_s=GRACE_S)
        with running_in_background(server, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
