"""Names that point to versions, such as `stable` and `canary`: `<store>/<name>/labels.json`."""

from collections.abc import Mapping
from typing import Annotated

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from app.errors import ArtifactRefused, LabelRefused, UnknownLabel, one_line
from app.registry.manifest import VersionName
from app.registry.model_store import ModelStore

LABELS = "labels.json"
LABEL_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
MAX_LABELS = 8  # of a model: each may keep a version in memory

Labels = Mapping[str, str]  # version by label

_label = TypeAdapter[str](Annotated[str, Field(pattern=LABEL_PATTERN)])
_labels = TypeAdapter[dict[str, str]](
    Annotated[
        dict[Annotated[str, Field(pattern=LABEL_PATTERN)], VersionName],
        Field(max_length=MAX_LABELS),
    ]
)


def labels_of(store: ModelStore, name: str) -> Labels:
    """Raises ArtifactRefused for a file that has something else in it."""
    text = store.read_small(name, LABELS)
    if text is None:
        return {}
    try:
        return _labels.validate_json(text)
    except ValidationError as error:
        reason = one_line(error.errors()[0]["msg"])
        raise ArtifactRefused(f"{store.home(name) / LABELS}: {reason}") from None


def put_label(store: ModelStore, name: str, label: str, version: str) -> Labels:
    """All of them, as they are on the disk now.

    Raises LabelRefused for one that cannot be, ArtifactRefused as `labels_of`, or OSError.
    """
    labels = {**labels_of(store, name), checked_label(label): version}
    if label in store.versions(name):
        raise LabelRefused(f"{label} is a version of {name}: choose another label")
    if len(labels) > MAX_LABELS:
        raise LabelRefused(f"{name} has {MAX_LABELS} labels, which is the most: remove one first")
    return _written(store, name, labels)


def remove_label(store: ModelStore, name: str, label: str) -> Labels:
    """Those that are left. Raises UnknownLabel, ArtifactRefused as `labels_of`, or OSError."""
    labels = dict(labels_of(store, name))
    if labels.pop(label, None) is None:
        raise UnknownLabel(f"{name} has no label {label!r}")
    return _written(store, name, labels)


def labels_at(labels: Labels, version: str) -> list[str]:
    """Those that point to a version."""
    return sorted(label for label, labeled in labels.items() if labeled == version)


def checked_label(label: str) -> str:
    """Raises LabelRefused for what is none."""
    try:
        return _label.validate_python(label)
    except ValidationError:
        raise LabelRefused(
            f"{label!r} cannot be a label: a small letter, then up to 31 small letters, digits, "
            "'_' and '-'"
        ) from None


def _written(store: ModelStore, name: str, labels: Labels) -> Labels:
    store.replace_small(name, LABELS, f"{orjson.dumps(labels).decode()}\n")
    return labels
