"""Real outputs of the real libraries, and the requests that ask for them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.importers.importing import Library

ROOT = Path(__file__).parents[3] / "shared" / "data" / "importer_fixtures"

# By the README of the fixtures: the names of their features, and what requests call them.
HISTORIES = {
    "hist_item_id": "item_id",
    "hist_cate_id": "category_id",
    "click_history": "item_id",
    "cate_history": "category_id",
}
TARGETS = {"item_id": "item_id", "cate_id": "category_id"}
USERS = ("user", "user_id")
NOT_FEATURES = {"probability", "logit", "seq_length"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LibraryOutputs:
    """One folder: a checkpoint and what the library says of its rows."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def library(self) -> Library:
        return "fuxictr" if "feature_map" in self._config() else "deepctr-torch"

    def rows(self) -> Sequence[Row]:
        rows: list[Row] = json.loads((self.folder / "rows.json").read_bytes())
        return rows

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self.folder / "config.json").read_bytes())
        return config


ALL_OUTPUTS = [LibraryOutputs(path.parent) for path in sorted(ROOT.glob("*/config.json"))]


def body_of(row: Row) -> dict[str, Any]:
    """A rank request for one row."""
    user = next((str(row[name]) for name in USERS if name in row), "u")
    candidate = {TARGETS.get(name, name): _value(row[name]) for name in _features_beside(row)}
    return {
        "user_id": user,
        "candidates": [{"ad_id": "ad", **candidate}],
        "behaviors": list(_behaviors(row)),
    }


def _features_beside(row: Row) -> Iterator[str]:
    for name in row:
        is_history = name in HISTORIES or name.startswith("neg_")
        if not is_history and name not in NOT_FEATURES and name not in USERS:
            yield name


def _value(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _behaviors(row: Row) -> Iterator[dict[str, Any]]:
    histories = {HISTORIES[name]: row[name] for name in row if name in HISTORIES}
    for second, ids in enumerate(zip(*histories.values(), strict=True)):
        yield dict(zip(histories, map(str, ids), strict=True)) | {"timestamp": second}
