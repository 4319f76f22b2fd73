"""An error's whole answer, for who writes to a socket itself and hangs up."""

from http import HTTPStatus
from uuid import uuid4

from app.api.problem_json import MEDIA_TYPE, problem_json
from app.api.request_context import REQUEST_ID
from app.errors import CtrError


def last_words(status: int, detail: str) -> bytes:
    """Of what never became a request: only HTTP has a name for what is wrong with it."""
    return _answer(None, status, HTTPStatus(status).phrase, detail)


def last_words_of(error: CtrError) -> bytes:
    return _answer(error.slug, error.status, error.title, error.detail)


def _answer(slug: str | None, status: int, title: str, detail: str) -> bytes:
    request_id = uuid4().hex
    content = problem_json(slug, status=status, title=title, detail=detail, request_id=request_id)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(content)}\r\n"
        f"{REQUEST_ID}: {request_id}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
