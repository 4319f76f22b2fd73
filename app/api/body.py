"""Reading a body: no larger, and no longer, than the service allows."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from app.api.hanging_up import ClientLeft
from app.errors import BodyTooLarge, MalformedRequest


async def read_body(
    request: Request, declared: bytes, *, max_bytes: int, timeout_s: float
) -> bytes:
    """Of the declared length, if one was.

    Raises BodyTooLarge, ClientLeft, or MalformedRequest when the body does not end in time.
    """
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        raise MalformedRequest(
            f"{len(body)} bytes of the body arrived within {timeout_s:g} s, "
            f"Content-Length says {declared.decode('latin-1') or 'nothing'}"
        ) from None
    except ClientDisconnect:
        raise ClientLeft from None
    return bytes(body)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {max_bytes} bytes")
