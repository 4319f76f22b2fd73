"""How a version was trained, out of its manifest."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.errors import StartupRefused
from app.registry.manifest import Manifest
from app.training.field_l2 import parse_l2
from app.training.options import TrainerOptions

_options = TypeAdapter(TrainerOptions)


def recorded_options(manifest: Manifest) -> TrainerOptions:
    """With defaults for what the manifest does not say; it says all numbers side by side.

    Raises StartupRefused for a record that this code cannot train by.
    """
    record: dict[str, Any] = dict(manifest.training.options)
    if "l2" in record:
        record["l2"] = parse_l2(str(record["l2"]).split())
    try:
        return _options.validate_python(_recorded(asdict(TrainerOptions()), record))
    except ValidationError as error:
        first = error.errors()[0]
        raise StartupRefused(
            f"{manifest.name}@{manifest.version} was trained with {first['loc'][-1]} "
            f"{first['input']!r}, which cannot be repeated: {first['msg']}"
        ) from None


def _recorded(defaults: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with what was recorded in their places, in groups as well."""
    return {
        name: _recorded(value, record) if isinstance(value, dict) else record.get(name, value)
        for name, value in defaults.items()
    }
