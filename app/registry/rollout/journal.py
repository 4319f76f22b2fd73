"""What was rolled out, when, and what became of it and why: `<store>/<name>/rollouts.jsonl`."""

from typing import Any

import orjson

from app.registry.model_store import ModelStore

JOURNAL = "rollouts.jsonl"
REMEMBERED = 20  # records, of about 2 kB
UNDER_WAY = frozenset({"started", "changed"})


def append(store: ModelStore, name: str, record: dict[str, Any]) -> None:
    """On the disk when this returns. Raises OSError or ArtifactRefused."""
    kept = [*records_of(store, name), record][-REMEMBERED:]
    lines = "".join(f"{orjson.dumps(one).decode()}\n" for one in kept)
    store.replace_small(name, JOURNAL, lines)


def records_of(store: ModelStore, name: str) -> list[dict[str, Any]]:
    """The oldest first; what is no record was not written here. Raises ArtifactRefused."""
    text = store.read_small(name, JOURNAL) or ""
    return [record for line in text.splitlines() if (record := _record(line))]


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None
