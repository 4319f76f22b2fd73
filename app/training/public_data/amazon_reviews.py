"""Amazon reviews of 2014, 2018 (JSON lines) and 2023 (JSON lines, CSV or Parquet) as events."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import StartupRefused
from app.training.public_data.events import ids, one_table, seconds, whole_numbers
from app.training.public_data.line_blocks import OnBytes, first_line, read_blocks, split_fields
from app.training.public_data.parquet import parquet_schema, read_parquet
from app.training.public_data.places import Places
from app.training.public_data.records import parse_record, records
from app.training.tables import PARQUET_SUFFIXES

FIRST_REVIEW_MS = 789_000_000_000  # 1995; a smaller number is seconds

Tables = Iterator[tuple[Places, pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Generation:
    """A release of the reviews and what it calls the columns we need."""

    year: int
    user: str
    item: str
    time: str
    in_milliseconds: bool = False

    def columns(self) -> tuple[str, str, str]:
        return (self.user, self.item, self.time)


def generation_of(path: Path, fields: Collection[str]) -> Generation:
    """Raises StartupRefused if no release has these fields."""
    if {"user_id", "timestamp"} <= set(fields) and {"parent_asin", "asin"} & set(fields):
        item = "parent_asin" if "parent_asin" in fields else "asin"
        return Generation(2023, "user_id", item, "timestamp", in_milliseconds=True)
    if {"reviewerID", "asin", "unixReviewTime"} <= set(fields):
        year = 2018 if "verified" in fields else 2014
        return Generation(year, "reviewerID", "asin", "unixReviewTime")
    raise StartupRefused(
        f"{path} has no Amazon reviews: reviewerID asin unixReviewTime (2014, 2018) or "
        f"user_id parent_asin timestamp (2023) are needed, it has {' '.join(sorted(fields)[:12])}"
    )


def read_reviews(path: Path, on_bytes: OnBytes) -> tuple[Generation, pl.DataFrame]:
    """Which release it is, and the columns user, item and time, one row per review."""
    if path.suffix in PARQUET_SUFFIXES:
        generation = generation_of(path, parquet_schema(path).names())
        tables = iter([read_parquet(path, generation.columns(), on_bytes)])
    elif ".csv" in path.suffixes:
        header = first_line(path).split(",")
        generation = generation_of(path, header)
        tables = _csv_tables(path, header, on_bytes)
    else:
        generation = generation_of(path, parse_record(first_line(path)) or ())
        tables = _json_tables(path, generation, on_bytes)
    events = (_events(generation, places, table) for places, table in tables)
    return generation, one_table(path, events)


def _events(generation: Generation, places: Places, table: pl.DataFrame) -> pl.DataFrame:
    time = table[generation.time]
    return pl.DataFrame(
        {
            "user": ids(places, table[generation.user]),
            "item": ids(places, table[generation.item]),
            "time": _from_ms(places, time) if generation.in_milliseconds else seconds(places, time),
        }
    )


def _from_ms(places: Places, column: pl.Series) -> pl.Series:
    advice = "unix milliseconds are needed, such as 1390694400000"
    numbers = whole_numbers(places, column, advice)
    places.refuse_where(numbers < FIRST_REVIEW_MS, column, advice)
    return seconds(places, (numbers // 1000).rename(column.name))


def _csv_tables(path: Path, header: list[str], on_bytes: OnBytes) -> Tables:
    for block in read_blocks(path, on_bytes, header_lines=1):
        yield block.places, split_fields(block, ",", header)


def _json_tables(path: Path, generation: Generation, on_bytes: OnBytes) -> Tables:
    schema = dict.fromkeys(generation.columns(), pl.String)
    for block in read_blocks(path, on_bytes):
        parsed = records(block)
        columns = {name: [record.get(name) for record in parsed] for name in schema}
        yield block.places, pl.DataFrame(columns, schema, strict=False)
