"""Labeled samples from a file: candidates, and each user once however many rows repeat them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.core.batch import Floats, Rows
from app.errors import StartupRefused
from app.training.columns import Columns, IdColumn, Numbers
from app.training.side_fields import DeclaredField
from app.training.tables import read_table, refuse_where

# U users, each at one moment; N behaviors of all users; C candidates, one per row of the file

HISTORIES = ("history_items", "history_cates", "history_timestamps")
LATEST_SECOND = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Samples:
    """One split. Consecutive rows of one user and history are candidates of one "user" here."""

    labels_C: Floats
    user_of_C: Rows
    lengths_U: Rows
    users: Columns  # [U]: user_id and the profile and context fields
    behaviors: Columns  # [N], user after user, oldest first: item_id and category_id
    behavior_times_N: NDArray[np.uint32]
    candidates: Columns  # [C]: item_id, category_id and the candidate fields

    def __len__(self) -> int:
        return len(self.labels_C)


def read_samples(
    path: Path,
    fields: Sequence[DeclaredField] = (),
    *,
    first_row: int = 0,
    limit_rows: int | None = None,
) -> Samples:
    """Raises StartupRefused with one line that names the file, the row and the column."""
    of_user = [field for field in fields if not field.of_candidate]
    of_candidate = [field for field in fields if field.of_candidate]
    what_users_share = ["user_id", *HISTORIES, *(field.name for field in of_user)]
    own = ["label", "item_id", "cate_id", *(field.name for field in of_candidate)]
    table = read_table(path, own + what_users_share, first_row=first_row, limit_rows=limit_rows)
    _check(path, table, first_row)
    is_new_user_C = _differs_from_previous_row(table, what_users_share)
    users = table.filter(is_new_user_C)
    with_history = users.filter(pl.col("history_items") != "")
    return Samples(
        labels_C=table["label"].cast(pl.Float32).to_numpy(),
        user_of_C=is_new_user_C.cast(pl.Int64).cum_sum().to_numpy() - 1,
        lengths_U=_lengths(users["history_items"]).to_numpy(),
        users=_columns(users, {"user_id": "user_id"}, of_user),
        behaviors=_behaviors(with_history),
        behavior_times_N=_seconds(path, _joined(with_history["history_timestamps"])),
        candidates=_columns(table, {"item_id": "item_id", "category_id": "cate_id"}, of_candidate),
    )


def _check(path: Path, table: pl.DataFrame, first_row: int) -> None:
    def refuse(wrong: pl.Series, column: pl.Series, advice: str) -> None:
        refuse_where(path, wrong, column, advice, first_row=first_row)

    if table.is_empty():
        raise StartupRefused(f"{path} has no rows")
    label = table["label"]
    wrong = ~label.cast(pl.Float32, strict=False).is_in([0.0, 1.0]).fill_null(value=False)
    refuse(wrong, label, "a label is 1 for a click and 0 for none")
    times = table["history_timestamps"]
    wrong = ~times.str.contains(r"^(\d{1,10}(,\d{1,10})*)?$")
    refuse(wrong, times, "unix seconds are needed, joined by commas")
    for column in ("history_cates", "history_timestamps"):
        wrong = _lengths(table["history_items"]) != _lengths(table[column])
        # One behavior of an unknown category is an empty text too.
        wrong &= (
            (table["history_items"] == "") | (table[column] != "") | (column != "history_cates")
        )
        refuse(wrong, table[column], "it must be as long as history_items")


def _differs_from_previous_row(table: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    differs = [pl.col(column).ne_missing(pl.col(column).shift()) for column in columns]
    return table.select(pl.any_horizontal(differs)).to_series()


def _lengths(histories: pl.Series) -> pl.Series:
    lengths = histories.str.count_matches(",", literal=True).cast(pl.Int64) + 1
    return lengths.zip_with(histories != "", pl.zeros(len(lengths), pl.Int64, eager=True))


def _joined(histories: pl.Series) -> pl.Series:
    return histories.str.split(",").explode()


def _seconds(path: Path, times: pl.Series) -> NDArray[np.uint32]:
    seconds_N = times.cast(pl.Int64).to_numpy()
    latest = seconds_N.max(initial=0)
    if latest > LATEST_SECOND:
        raise StartupRefused(
            f"{path}: history_timestamps has {latest}; unix seconds end at {LATEST_SECOND}"
        )
    return seconds_N.astype(np.uint32)


def _behaviors(with_history: pl.DataFrame) -> Columns:
    items = IdColumn.of(_joined(with_history["history_items"]))
    categories = IdColumn.of(_joined(with_history["history_cates"]))
    return Columns(len(items), {"item_id": items, "category_id": categories})


def _columns(
    table: pl.DataFrame, ids: Mapping[str, str], fields: Sequence[DeclaredField]
) -> Columns:
    sparse = {field.name: field.name for field in fields if field.kind == "sparse"}
    return Columns(
        len(table),
        {name: IdColumn.of(table[column]) for name, column in {**ids, **sparse}.items()},
        {field.name: _numbers(table[field.name]) for field in fields if field.kind == "dense"},
    )


def _numbers(texts: pl.Series) -> Numbers:
    numbers = texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)
