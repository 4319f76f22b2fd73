"""Events as every reader hands them on: checked ids, each distinct one held once, unix seconds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import StartupRefused
from app.training.interactions import LATEST_SECOND, InteractionLog
from app.training.public_data.places import Places


@dataclass(frozen=True, slots=True)
class PublicLog:
    """The events of a public data set."""

    source: str  # which one the fields said it is
    log: InteractionLog
    counts: Mapping[str, int]  # of what was kept and what was not


def ids(places: Places, column: pl.Series) -> pl.Series:
    """A categorical column: a code per row. Raises StartupRefused for an id that cannot be one."""
    places.refuse_where(column.fill_null("") == "", column, "every event needs one")
    with_comma = column.str.contains(",", literal=True)
    places.refuse_where(with_comma, column, "commas join histories: replace them in ids")
    return column.cast(pl.Categorical)


def whole_numbers(places: Places, column: pl.Series, advice: str) -> pl.Series:
    """Raises StartupRefused for what is none."""
    numbers = column.cast(pl.Int64, strict=False)
    places.refuse_where(numbers.is_null(), column, advice)
    return numbers


def seconds(places: Places, column: pl.Series) -> pl.Series:
    """Raises StartupRefused for what is no unix second that a stored behavior can hold."""
    advice = "unix seconds are needed, such as 1390694400"
    numbers = whole_numbers(places, column, advice)
    places.refuse_where((numbers < 0) | (numbers > LATEST_SECOND), column, advice)
    return numbers


def one_table(path: Path, tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Raises StartupRefused if all of them are empty."""
    filled = [table for table in tables if len(table)]
    if not filled:
        raise StartupRefused(f"{path} has no events")
    return pl.concat(filled)
