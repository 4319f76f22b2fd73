"""Parsing a checkpoint's `config.json`, whose every mistake is one line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.errors import StartupRefused, one_line
from app.models.layers.attention_config import Units

Parsed = TypeVar("Parsed")

HiddenUnits = Annotated[tuple[Units, ...], Field(max_length=64)]
AttentionUnits = Annotated[tuple[Units, ...], Field(min_length=1, max_length=64)]
EmbeddingDim = Annotated[int, Field(ge=1, le=1024)]


class Options(BaseModel):
    """Constructor arguments: one that is not known here might change every score."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Ignorant(BaseModel):
    """A part of the file with more in it than the library's model code reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def without(names: frozenset[str]) -> Callable[[Any], Any]:
    """Drops arguments that matter in training alone."""

    def drop(arguments: Any) -> Any:  # noqa: ANN401 - whatever is in the file
        if not isinstance(arguments, Mapping):
            return arguments
        return {name: value for name, value in arguments.items() if name not in names}

    return drop


def lowercased(value: object) -> object:
    """Both libraries compare names of activations without regard to case."""
    return value.lower() if isinstance(value, str) else value


def in_a_list(value: object) -> object:
    """What stands for all layers, or for one field, may stand alone."""
    return value if isinstance(value, list | tuple) else [value]


IgnoringCase = BeforeValidator(lowercased)
MaybeAlone = BeforeValidator(in_a_list)


def parse_config(path: Path, content: bytes, schema: TypeAdapter[Parsed]) -> Parsed:
    """Raises StartupRefused that names the first field that cannot be accepted."""
    try:
        return schema.validate_json(content)
    except ValidationError as error:
        raise StartupRefused(f"{path}: {_sentence(error.errors()[0])}") from None


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where} is not an option that the importer knows"
    if error["type"] in ("json_invalid", "missing"):
        return f"{where}: {error['msg']}" if where else error["msg"]
    message = one_line(error["msg"]).removeprefix("Value error, ")
    given = error["input"]
    if isinstance(given, str | int | float):
        return f"{where} is {given!r:.80}: {message}"
    return f"{where}: {message}" if where else message
