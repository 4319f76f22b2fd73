"""Parquet files: rows to read a batch at a time, answers to write."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from polars.exceptions import PolarsError

from app.api.parsing import parse_rank_fields
from app.core.request import RankRequest
from app.errors import StartupRefused
from app.scoring.answers import Write, not_written, write_line, written_aside
from app.scoring.rows import Advance, ParseRow

ROWS_PER_READ = 8192
ROWS_PER_GROUP = 1024  # a group of answers is in memory as a whole
ROWS_AS_OBJECTS = 64  # each may have a thousand candidates

ATTENTION = pl.Struct(
    {"item_id": pl.String, "category_id": pl.String, "timestamp": pl.Int64, "weight": pl.Float64}
)
RANKED = pl.Struct(
    {
        "ad_id": pl.String,
        "rank": pl.Int64,
        "ctr": pl.Float64,
        "ecpm": pl.Float64,
        "attention": pl.List(ATTENTION),
    }
)
ANSWERS: dict[str, pl.DataType] = {
    "request_id": pl.String(),
    "model": pl.Struct({"name": pl.String, "version": pl.String}),
    "user": pl.Struct({"behaviors": pl.Int64, "unknown_items": pl.Int64}),
    "degraded": pl.String(),
    "ranked": pl.List(RANKED),
}


class ParquetRows:
    """One column per member of a body; a null says that a row does not have it."""

    place, unit = "row", "rows"

    def __init__(self, path: Path) -> None:
        """Raises StartupRefused when there is no such file, or it is not Parquet."""
        self.path = path
        try:
            self._table = pl.scan_parquet(path)
            self.total = self._table.select(pl.len()).collect().item()
        except (PolarsError, OSError) as error:
            raise self._refusal(error) from None

    def rows(self, advance: Advance) -> Iterator[tuple[int, ParseRow]]:
        try:
            for number, fields in enumerate(self._fields_of_rows(), start=1):
                yield number, partial(_parse, fields)
                advance(1)
        except (PolarsError, OSError) as error:
            raise self._refusal(error) from None

    def _fields_of_rows(self) -> Iterator[Mapping[str, object]]:
        for first in range(0, self.total, ROWS_PER_READ):
            table = self._table.slice(first, ROWS_PER_READ).collect()
            yield from table.iter_rows(named=True, buffer_size=ROWS_AS_OBJECTS)

    def _refusal(self, error: Exception) -> StartupRefused:
        line = str(error).strip().split("\n", maxsplit=1)[0]
        return StartupRefused(f"{self.path} cannot be read as Parquet: {line}")


@contextmanager
def parquet_to(path: Path) -> Iterator[Write]:
    """A file of answers that has its name once it is whole. Raises StartupRefused."""
    with written_aside(path) as aside, TemporaryDirectory(dir=path.parent) as folder:
        # A Parquet file is written in one go; from a file, so that not all of it is in memory.
        all_lines = Path(folder) / "answers.jsonl"
        with all_lines.open("wb") as lines:
            yield lambda answer: write_line(lines, answer)
        answers = pl.scan_ndjson(all_lines, schema=ANSWERS)
        try:
            answers.sink_parquet(aside, row_group_size=ROWS_PER_GROUP)
        except PolarsError as error:
            raise not_written(path, error) from None


def _parse(fields: Mapping[str, object]) -> RankRequest:
    given = {name: value for name, value in fields.items() if value is not None}
    return parse_rank_fields(given)
