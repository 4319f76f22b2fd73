"""Tables of text from TSV, CSV (both also gzipped) or Parquet files, or one line on why not."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app.errors import StartupRefused

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_table(
    path: Path, columns: Sequence[str], *, first_row: int = 0, limit_rows: int | None = None
) -> pl.DataFrame:
    """These columns as text, with the empty text where a value is missing.

    A list is its elements joined by commas. Of a Parquet file nothing else is read. Raises
    StartupRefused when the file cannot be read or lacks a column.
    """
    if not path.is_file():
        raise StartupRefused(f"{path} is not a file")
    try:
        table = _read(path, None if limit_rows is None else first_row + limit_rows)
        names = table.collect_schema().names()
        present = [column for column in dict.fromkeys(columns) if column in names]
        table = table.select(present).slice(first_row, limit_rows)
        read = table.collect()
    except (PolarsError, OSError) as error:
        raise StartupRefused(f"{path} cannot be read as {_format(path)}: {_line(error)}") from error
    missing = [column for column in columns if column not in names]
    if missing:
        raise StartupRefused(
            f"{path} has no column {missing[0]!r}; read as {_format(path)}, "
            f"it has {', '.join(names[:12])}"
        )
    return read.select(_as_text(read[column]) for column in columns)


def refuse_where(
    path: Path, bad: pl.Series, column: pl.Series, advice: str, *, first_row: int = 0
) -> None:
    """Raises StartupRefused for the first row of `column` at which `bad` is true.

    `first_row` of the file is the first one of the column.
    """
    if not bad.any():
        return
    row = bad.arg_max() or 0
    value = str(column[row])
    shown = value if len(value) <= 40 else f"{value[:40]}..."
    raise StartupRefused(f"{path}, row {first_row + row + 1}: {column.name} is {shown!r}; {advice}")


def _read(path: Path, most_rows: int | None) -> pl.LazyFrame:
    if path.suffix in PARQUET_SUFFIXES:
        return pl.scan_parquet(path)
    # Everything is text here: a schema guessed from the first rows would rewrite ids like "007".
    text = pl.read_csv(path, separator=_separator(path), infer_schema=False, n_rows=most_rows)
    return text.lazy()


def _separator(path: Path) -> str:
    return "," if ".csv" in path.suffixes else "\t"


def _format(path: Path) -> str:
    if path.suffix in PARQUET_SUFFIXES:
        return "Parquet"
    return "comma-separated text" if _separator(path) == "," else "tab-separated text"


def _as_text(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List):
        elements = column.list.eval(pl.element().cast(pl.String).fill_null(""))
        return elements.list.join(",").fill_null("")
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.epoch("s")
    elif column.dtype.is_float() and (column.drop_nulls() % 1 == 0).all():
        column = column.cast(pl.Int64, strict=False)  # ids that a missing value made floats
    return column.cast(pl.String).fill_null("")


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
