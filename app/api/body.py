"""Reading a body: no larger, and no longer, than the service allows."""

import asyncio
from contextlib import nullcontext

from starlette.requests import Request

from app.api.hanging_up import CONNECTION, ClientLeft, TellingConnection
from app.errors import BodyTooLarge, MalformedRequest


async def read_body(
    request: Request, declared: bytes, *, max_bytes: int, timeout_s: float
) -> bytes:
    """Of the declared length, if one was.

    Raises BodyTooLarge, ClientLeft, or MalformedRequest when the body does not end in time.
    """
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        # There is nothing to wait for with most: the head and the body come together.
        async with nullcontext() if _is_there(request) else asyncio.timeout(timeout_s):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > max_bytes:
                    raise _too_large(max_bytes)
                more = message.get("more_body", False)
    except TimeoutError:
        raise MalformedRequest(
            f"{size} bytes of the body arrived within {timeout_s:g} s, "
            f"Content-Length says {declared.decode('latin-1') or 'nothing'}"
        ) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)  # most come in one


def _is_there(request: Request) -> bool:
    connection: TellingConnection | None = request.scope.get(CONNECTION)
    return connection is not None and connection.has_whole_body()


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {max_bytes} bytes")
