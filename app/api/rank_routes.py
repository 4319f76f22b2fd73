"""`POST /v1/rank`: raw body in, bytes out."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import read_body
from app.api.door import RANK_PATH, Door, Entry
from app.api.hanging_up import unless_client_leaves
from app.api.limits import DEADLINE_HEADER, PRIORITY_HEADER, RequestLimits
from app.api.openapi import json_body, problems
from app.api.parsing import parse_rank_body
from app.api.request_context import RequestContext, context_of
from app.api.shortcut import Endpoint
from app.api.wire import RankBody
from app.api.wire_answer import RankAnswer, answer_json
from app.core.deadline import Deadline
from app.core.keys import key_of
from app.core.request import Ranking, RankRequest
from app.errors import DeadlineExceeded, FieldError, InvalidRequest
from app.inference.admission import PRIORITIES
from app.ranking.ranker import Ranker

ENTRY = "ctr.entry"  # where a scope has what the door gave

Headers = Mapping[bytes, bytes]

TOLERANCE_S = 0.002  # of an event loop that had other things to do


def rank_endpoint(ranker: Ranker, door: Door, limits: RequestLimits) -> Endpoint:
    async def rank(request: Request) -> bytes:
        entry: Entry = request.scope.get(ENTRY) or door.enter(request.headers.raw)
        computed = False
        try:
            context = context_of(request)
            body = await read_body(
                request,
                entry.headers.get(b"content-length", b""),
                max_bytes=limits.max_body_bytes,
                timeout_s=limits.body_timeout_s,
            )
            with context.times.measure("parse"):
                rank_request = parse_rank_body(body)
                spent_s = context.elapsed_s() + entry.unread_s
                deadline = _deadline(entry.headers, rank_request, spent_s, limits)
                entry.ticket.deadline = deadline
                _check_priority(entry.headers)
            ranking, batch_jobs = await unless_client_leaves(
                request, ranker.rank(rank_request, entry.ticket, context.times)
            )
            computed = batch_jobs > 0
            with context.times.measure("render"):
                content = answer_json(ranking, context.request_id)
            if deadline.remaining_s() < -TOLERANCE_S:
                raise DeadlineExceeded("the answer was ready, but too late")
            _log(context, rank_request, ranking, batch_jobs)
            return content
        finally:
            door.leave(entry, computed=computed)

    return rank


def rank_router(endpoint: Endpoint) -> APIRouter:
    router = APIRouter(tags=["ranking"])

    @router.post(
        RANK_PATH,
        summary="Rank candidate ads for a user",
        responses={200: {"model": RankAnswer}, **problems(400, 404, 413, 422, 429, 503, 504)},
        openapi_extra={
            "requestBody": json_body(RankBody),
            "parameters": [_DEADLINE_PARAMETER, _PRIORITY_PARAMETER],
        },
    )
    async def rank(request: Request) -> Response:
        return Response(await endpoint(request), media_type="application/json")

    return router


def _deadline(
    headers: Headers, body: RankRequest, spent_s: float, limits: RequestLimits
) -> Deadline:
    """Counted from the request's first byte; the body's field wins over the header."""
    header_ms = _header_ms(headers)  # a wrong one is refused even where the body's field wins
    budget_ms = body.deadline_ms or header_ms or limits.default_deadline_ms
    return Deadline.after(min(budget_ms, limits.max_deadline_ms) / 1e3 - spent_s)


def _header_ms(headers: Headers) -> float | None:
    text = headers.get(DEADLINE_HEADER)
    if text is None:
        return None
    try:
        budget_ms = float(text)
    except ValueError:
        budget_ms = 0.0
    if not 0 < budget_ms < float("inf"):
        name = DEADLINE_HEADER.decode()
        raise InvalidRequest([FieldError(name, "must be a positive number of ms")])
    return budget_ms


def _check_priority(headers: Headers) -> None:
    if headers.get(PRIORITY_HEADER, b"normal").decode("latin-1") not in PRIORITIES:
        name = PRIORITY_HEADER.decode()
        raise InvalidRequest([FieldError(name, f"must be one of {', '.join(PRIORITIES)}")])


def _log(context: RequestContext, request: RankRequest, ranking: Ranking, batch_jobs: int) -> None:
    context.log.update(
        user_key=f"{key_of(request.user_id):016x}",  # the id itself is personal data
        model=f"{ranking.model}@{ranking.version}",
        candidates=len(request.candidates),
        behaviors=ranking.behaviors,
        unknown_items=ranking.unknown_items,
        degraded=ranking.degraded,
        degraded_reason=ranking.degraded_reason,
        feature_problems=ranking.feature_problems,
        batch_jobs=batch_jobs,
    )


_DEADLINE_PARAMETER = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "required": False,
    "description": "same as deadline_ms, which wins over it",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
_PRIORITY_PARAMETER = {
    "name": "X-Priority",
    "in": "header",
    "required": False,
    "description": "who is answered when there is too much to do: each priority leaves room for "
    "those above it, and a little is always left for those below",
    "schema": {"type": "string", "enum": list(PRIORITIES), "default": "normal"},
}
