"""Reading a body: no larger, and no longer, than the service allows."""

import asyncio
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from app.api.hanging_up import ClientLeft
from app.api.wire import MAX_FIELD_NAME_CHARS, MAX_REPORTED_ERRORS, RankBody
from app.errors import BodyTooLarge, FieldError, InvalidRequest, MalformedRequest

MAX_LISTED_ERRORS = 10_000  # pydantic lists all or none, and 200,000 take a second
JSON_SYNTAX = "json_invalid"

_rank_body = TypeAdapter(RankBody)


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Raises BodyTooLarge, ClientLeft, or MalformedRequest when the body does not end in time."""
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
        raise ClientLeft from None
    return bytes(body)


def parse_rank_body(body: bytes) -> RankBody:
    """Raises MalformedRequest for what is not JSON, InvalidRequest naming the wrong fields."""
    try:
        return _rank_body.validate_json(body)
    except ValidationError as error:
        if error.error_count() > MAX_LISTED_ERRORS:
            raise InvalidRequest([_too_many(error.error_count())]) from None
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == JSON_SYNTAX:
        raise MalformedRequest(problems[0]["msg"])
    raise InvalidRequest(
        [
            FieldError(_field_name(problem["loc"]), problem["msg"])
            for problem in problems[:MAX_REPORTED_ERRORS]
        ]
    )


def _field_name(path: Sequence[int | str]) -> str:
    return ".".join(map(str, path))[:MAX_FIELD_NAME_CHARS] or "body"


def _too_many(errors: int) -> FieldError:
    return FieldError("body", f"{errors} of its fields cannot be accepted, too many to name")


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {max_bytes} bytes")
