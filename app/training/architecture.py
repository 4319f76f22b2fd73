"""From the options that an operator gave to an architecture, each with defaults of its own."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.errors import StartupRefused
from app.models.factory import Architecture

_architecture = TypeAdapter[Architecture](Architecture)


def chosen_architecture(name: str, *, prefix: str = "--", **options: object) -> Architecture:
    """The architecture with every option that is not None; its own defaults for the others.

    Raises StartupRefused for an option that the architecture does not have, or a bad value.
    """
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    try:
        return _architecture.validate_python({"name": name, **given})
    except ValidationError as error:
        first = error.errors()[0]
        setting = next(part for part in reversed(first["loc"]) if isinstance(part, str))
        option = prefix + setting.replace("_", "-")
        if first["type"] == "extra_forbidden":
            raise StartupRefused(f"{option} is not an option of {name}") from None
        raise StartupRefused(f"{option}: {first['msg']}") from None


def larger_architecture(light: Architecture, **options: object) -> Architecture | None:
    """A booster's: the light net's but for the options that are not None; None if all are.

    Raises StartupRefused for an option that the architecture does not have, or a bad value.
    """
    if all(value is None for value in options.values()):
        return None
    given = {key: value for key, value in options.items() if value is not None}
    return chosen_architecture(prefix="--booster-", **{**light.model_dump(), **given})


def split_numbers(text: str | None) -> list[str] | None:
    """Sizes of layers as an operator writes them, `200,80`; the architecture checks them."""
    return text.split(",") if text is not None else None
