"""RFC 9457 problem details as bytes, for all who answer with them: in ASGI or on a socket."""

from typing import Any

import orjson

MEDIA_TYPE = "application/problem+json"


def problem_json(
    slug: str | None,
    *,
    status: int,
    title: str,
    detail: str,
    request_id: str,
    **more: Any,  # noqa: ANN401 - further members, as the RFC calls them
) -> bytes:
    """`slug` names a problem of ours; what is only HTTP's has none."""
    return orjson.dumps(
        {
            "type": "about:blank" if slug is None else f"urn:ctr-serve:{slug}",
            "title": title,
            "status": status,
            "detail": detail,
            "request_id": request_id,
            **more,
        }
    )
