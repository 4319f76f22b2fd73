"""The bodies of administration."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from app.api.body import read_body
from app.api.limits import RequestLimits
from app.api.parsing import problem_of
from app.registry.rollout.plan import Mode

Body = TypeVar("Body", bound=BaseModel)


class LabelBody(BaseModel):
    """What a label points to."""

    model_config = ConfigDict(extra="forbid")

    version: str


class RolloutBody(BaseModel):
    """Which version, for how many users, and whether it answers them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: str
    mode: Mode = "canary"
    percent: float = Field(ge=0, le=100, allow_inf_nan=False)


async def read_admin_body(request: Request, model: type[Body], limits: RequestLimits) -> Body:
    """Not a parameter of routes: FastAPI would read it, of any size, before it asks for the key.

    Raises MalformedRequest for what is not JSON, InvalidRequest naming the wrong fields, and as
    `read_body` does.
    """
    content = await read_body(
        request,
        request.headers.get("content-length", "").encode("latin-1"),
        max_bytes=limits.max_body_bytes,
        timeout_s=limits.body_timeout_s,
    )
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise problem_of(error) from None
