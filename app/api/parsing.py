"""From what was sent to a checked request, or to the fields of it that are wrong."""

from collections.abc import Sequence

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from app.api.candidate_columns import columns_of
from app.api.plain_candidates import columns_of_plain, read_plain
from app.api.wire import MAX_FIELD_NAME_CHARS, MAX_REPORTED_ERRORS, RankBody, RankOutline
from app.core.request import RankRequest
from app.errors import CtrError, FieldError, InvalidRequest, MalformedRequest

MAX_LISTED_ERRORS = 10_000  # pydantic lists all or none, and 200,000 take a second
JSON_SYNTAX = "json_invalid"
# No acceptable body has as many: 1,000 candidates of 64 lists, 1,000 behaviors. Each becomes an
# object, and the event loop would stand still for half a second while those of 2 MiB are made.
MAX_BRACKETS = 2**17

_rank_body = TypeAdapter(RankBody)
_rank_outline = TypeAdapter(RankOutline)


def parse_rank_body(body: bytes) -> RankRequest:
    """Raises MalformedRequest for what is not JSON, InvalidRequest naming the wrong fields."""
    if len(body) > MAX_BRACKETS and body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise InvalidRequest(
            [FieldError("body", f"has more than {MAX_BRACKETS} lists and objects")]
        )
    return in_columns(body) or field_by_field(body)


def parse_rank_fields(fields: object) -> RankRequest:
    """The same for a body that was never JSON. Raises InvalidRequest naming the wrong fields."""
    try:
        return _rank_body.validate_python(fields).to_request()
    except ValidationError as error:
        raise problem_of(error) from None


def in_columns(body: bytes) -> RankRequest | None:
    """Without a model per candidate; None unless all is well."""
    plain = read_plain(body)
    try:
        fields = orjson.loads(body) if plain is None else plain
        outline = _rank_outline.validate_python(fields)
    except ValueError:  # of either: no JSON, or fields that cannot be accepted
        return None
    columns = columns_of if plain is None else columns_of_plain
    candidates = columns(outline.candidates)
    if candidates is None or any(outline.errors_beside_candidates()):
        return None
    if outline.rank_by == "ecpm" and None in candidates.bids:
        return None
    return outline.request_for(candidates)


def field_by_field(body: bytes) -> RankRequest:
    try:
        fields = from_json(body)
    except ValueError as error:
        raise MalformedRequest(f"Invalid JSON: {error}") from None
    return parse_rank_fields(fields)


def problem_of(error: ValidationError) -> CtrError:
    """MalformedRequest for what is not JSON, else InvalidRequest naming the wrong fields."""
    if error.error_count() > MAX_LISTED_ERRORS:
        return InvalidRequest([_too_many(error.error_count())])
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if problems[0]["type"] == JSON_SYNTAX:
        return MalformedRequest(problems[0]["msg"])
    return InvalidRequest(
        [
            FieldError(_field_name(problem["loc"]), problem["msg"])
            for problem in problems[:MAX_REPORTED_ERRORS]
        ]
    )


def _field_name(path: Sequence[int | str]) -> str:
    return ".".join(map(str, path))[:MAX_FIELD_NAME_CHARS] or "body"


def _too_many(errors: int) -> FieldError:
    return FieldError("body", f"{errors} of its fields cannot be accepted, too many to name")
