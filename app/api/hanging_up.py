"""A client that hangs up: what it asked for is not worth computing any more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from starlette.requests import Request

Answer = TypeVar("Answer")

# Where a scope has the connection. ASGI's own way, to wait for the disconnect, takes a task for
# each request, and 4 % of the loop's time.
CONNECTION = "ctr.connection"


class ClientLeft(Exception):
    """Nobody is there to answer."""


class TellingConnection(Protocol):
    """A client's connection, which is asked one request at a time."""

    def tell_when_lost(self, told: Callable[[], object] | None) -> None:
        """Nobody but this one; at once where it is lost already."""
        ...

    def has_whole_body(self) -> bool:
        """Of the request that it asks now."""
        ...


async def unless_client_leaves(request: Request, answer: Awaitable[Answer]) -> Answer:
    """Cancels the answer as soon as the client closes its connection. Raises ClientLeft.

    Without a connection, as in a test that calls the application itself, nobody can leave.
    """
    connection: TellingConnection | None = request.scope.get(CONNECTION)
    if connection is None:
        return await answer
    asking = asyncio.current_task()
    assert asking is not None  # noqa: S101 - a request is always a task
    left = False

    def leave() -> None:
        nonlocal left
        left = True
        asking.cancel()

    connection.tell_when_lost(leave)
    try:
        return await answer
    except asyncio.CancelledError:
        if not left or asking.uncancel():  # somebody else has cancelled it, too
            raise
        raise ClientLeft from None
    finally:
        connection.tell_when_lost(None)
