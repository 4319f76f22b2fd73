"""The service with a leak planted from outside, which a soak must catch: it keeps every body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import app.main
from app.api.lifecycle import Lifecycle
from app.cli import main
from app.settings import Settings

build_service = app.main.build_service


class KeepsBodies:
    """Middleware that forgets nothing."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._kept: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def keep() -> Message:
            message = await receive()
            self._kept.append(message)
            return message

        await self._application(scope, keep, send)


def build_leaky_service(settings: Settings, redis_url: str, lifecycle: Lifecycle) -> ASGIApp:
    return KeepsBodies(build_service(settings, redis_url, lifecycle))


if __name__ == "__main__":
    app.main.build_service = build_leaky_service
    main()
