"""The parts of the OpenAPI document that FastAPI cannot know: raw bodies and problem details."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from app.api.problem_json import MEDIA_TYPE

REF_TEMPLATE = "#/components/schemas/{model}"

STATUSES = {
    400: "The body is not JSON, or did not arrive whole",
    401: "The admin key is missing",
    403: "The admin key is wrong, or the service has none",
    404: "There is no such model, version or label",
    409: "The version is refused, cannot become active now, or is not loaded",
    413: "The body is too large",
    422: "Fields that cannot be accepted, each named",
    429: "The queue is full; Retry-After says when to come back",
    503: "Loading or draining",
    504: "The scores were not there before the deadline",
    507: "The model store cannot be read or written to",
}


class ProblemField(BaseModel):
    """A field that cannot be accepted."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[ProblemField] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`."""
    schema = {"$ref": REF_TEMPLATE.format(model=Problem.__name__)}
    return {
        status: {"description": STATUSES[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """For a route's `openapi_extra`, where the handler parses the body itself."""
    schema = {"$ref": REF_TEMPLATE.format(model=model.__name__)}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def add_schemas(app: FastAPI, *models: type[BaseModel]) -> None:
    """Defines the models that routes refer to by name."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            document["components"]["schemas"].update(_definitions(*models))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _definitions(*models: type[BaseModel]) -> Mapping[str, Any]:
    definitions: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template=REF_TEMPLATE)
        definitions |= schema.pop("$defs", {}) | {model.__name__: schema}
    return definitions
