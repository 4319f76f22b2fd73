"""Reading a body: no larger, and no longer, than the service allows."""

import asyncio

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from app.api.wire import RankBody
from app.errors import BodyTooLarge, FieldError, InvalidRequest, MalformedRequest

MAX_REPORTED_ERRORS = 20
JSON_SYNTAX = "json_invalid"

_rank_body = TypeAdapter(RankBody)


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Raises BodyTooLarge, or MalformedRequest when the body does not arrive whole."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
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
            f"Content-Length says {declared or 'nothing'}"
        ) from None
    except ClientDisconnect:
        raise MalformedRequest("the client closed the connection before the body's end") from None
    return bytes(body)


def parse_rank_body(body: bytes) -> RankBody:
    """Raises MalformedRequest for what is not JSON, InvalidRequest naming the wrong fields."""
    try:
        return _rank_body.validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == JSON_SYNTAX:
        raise MalformedRequest(problems[0]["msg"])
    raise InvalidRequest(
        [
            FieldError(".".join(map(str, problem["loc"])) or "body", problem["msg"])
            for problem in problems[:MAX_REPORTED_ERRORS]
        ]
    )


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {max_bytes} bytes")
