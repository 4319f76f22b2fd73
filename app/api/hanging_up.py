"""A client that hangs up: what it asked for is not worth computing any more."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

Answer = TypeVar("Answer")


class ClientLeft(Exception):
    """Nobody is there to answer."""


async def unless_client_leaves(request: Request, answer: Awaitable[Answer]) -> Answer:
    """Cancels the answer as soon as the client closes its connection. Raises ClientLeft.

    The body must have been read: after it, the only message that can come is the disconnect.
    """
    asking = asyncio.current_task()
    assert asking is not None  # noqa: S101 - a request is always a task
    left = False

    async def watch() -> None:
        nonlocal left
        await request.receive()
        left = True
        asking.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await answer
    except asyncio.CancelledError:
        if not left:
            raise
        asking.uncancel()
        raise ClientLeft from None
    finally:
        watcher.cancel()
