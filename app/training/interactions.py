"""An interaction log with its rows in any order becomes every user's events in time order."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.errors import StartupRefused
from app.training.tables import read_table, refuse_where

LATEST_SECOND = 2**32 - 1  # what a stored behavior can hold

# U users, N events of all users


@dataclass(frozen=True, slots=True)
class LogColumns:
    """What an interaction file calls its columns."""

    user: str = "user_id"
    item: str = "item_id"
    category: str = "cate_id"
    time: str = "timestamp"

    def in_order(self) -> tuple[str, str, str, str]:
        return (self.user, self.item, self.category, self.time)


@dataclass(frozen=True, slots=True)
class InteractionLog:
    """N events, user after user in the order the file names them, oldest first within a user."""

    user_ids: list[str]  # [U]
    ends_U: NDArray[np.int64]  # where each user's events end
    items: list[str]  # [N], like the next two
    categories: list[str]
    times: list[str]  # unix seconds


def read_interactions(path: Path, columns: LogColumns) -> InteractionLog:
    """Raises StartupRefused for a file that is not an interaction log."""
    table = read_table(path, columns.in_order())
    table.columns = ["user", "item", "category", "time"]
    if table.is_empty():
        raise StartupRefused(f"{path} has no rows")
    _check_ids(path, table, columns)
    seconds = _seconds(path, table["time"].rename(columns.time))
    return in_time_order(table.with_columns(seconds.alias("time")))


def in_time_order(events: pl.DataFrame) -> InteractionLog:
    """Of the columns user, item, category and time, which is unix seconds.

    Events of the same second keep their order.
    """
    ordered = (
        events.with_columns(row=pl.int_range(pl.len()))
        .with_columns(first_row=pl.col("row").min().over("user"))
        .sort("first_row", "time", maintain_order=True)
    )
    users = ordered.group_by("user", maintain_order=True).len()
    return InteractionLog(
        user_ids=users["user"].to_list(),
        ends_U=users["len"].cum_sum().cast(pl.Int64).to_numpy(),
        items=_texts(ordered["item"]),
        categories=_texts(ordered["category"]),
        times=_texts(ordered["time"].cast(pl.String)),
    )


def _texts(column: pl.Series) -> list[str]:
    """Each distinct text is held once, however many events share it."""
    coded = column.cast(pl.Categorical)
    codes, distinct = coded.to_physical().to_numpy(), coded.unique()
    text_of_code = np.empty(codes.max(initial=0) + 1, np.object_)
    text_of_code[distinct.to_physical().to_numpy()] = distinct.cast(pl.String).to_list()
    texts: list[str] = text_of_code[codes].tolist()
    return texts


def _check_ids(path: Path, table: pl.DataFrame, columns: LogColumns) -> None:
    for name, column in (("user", columns.user), ("item", columns.item)):
        ids = table[name].rename(column)
        refuse_where(path, ids == "", ids, "every row needs one: remove the row or fill it in")
    for name, column in (("item", columns.item), ("category", columns.category)):
        ids = table[name].rename(column)
        with_comma = ids.str.contains(",", literal=True)
        refuse_where(path, with_comma, ids, "commas join histories: replace them in ids")


def _seconds(path: Path, times: pl.Series) -> pl.Series:
    seconds = times.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False)
    refuse_where(path, seconds.is_null(), times, "unix seconds are needed, such as 1390694400")
    out_of_range = (seconds < 0) | (seconds > LATEST_SECOND)
    refuse_where(path, out_of_range, times, "unix seconds are 0..4294967295: divide milliseconds")
    return seconds
