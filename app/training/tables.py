"""Tables of text from TSV, CSV (both also gzipped) or Parquet files, or one line on why not."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app.errors import StartupRefused

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_table(
    path: Path, columns: Sequence[str], *, limit_rows: int | None = None
) -> pl.DataFrame:
    """These columns as text, with the empty text where a value is missing.

    Raises StartupRefused when the file cannot be read or lacks a column.
    """
    if not path.is_file():
        raise StartupRefused(f"{path} is not a file")
    try:
        table = _read(path, limit_rows)
    except (PolarsError, OSError) as error:
        raise StartupRefused(f"{path} cannot be read as {_format(path)}: {_line(error)}") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise StartupRefused(
            f"{path} has no column {missing[0]!r}; read as {_format(path)}, "
            f"it has {', '.join(table.columns[:12])}"
        )
    return table.select(_as_text(table[column]) for column in columns)


def refuse_where(path: Path, bad: pl.Series, column: pl.Series, advice: str) -> None:
    """Raises StartupRefused for the first row of `column` at which `bad` is true."""
    if not bad.any():
        return
    row = bad.arg_max() or 0
    value = str(column[row])
    shown = value if len(value) <= 40 else f"{value[:40]}..."
    raise StartupRefused(f"{path}, row {row + 1}: {column.name} is {shown!r}; {advice}")


def _read(path: Path, limit_rows: int | None) -> pl.DataFrame:
    if path.suffix in PARQUET_SUFFIXES:
        return pl.read_parquet(path, n_rows=limit_rows)
    # Everything is text here: a schema guessed from the first rows would rewrite ids like "007".
    return pl.read_csv(path, separator=_separator(path), infer_schema=False, n_rows=limit_rows)


def _separator(path: Path) -> str:
    return "," if ".csv" in path.suffixes else "\t"


def _format(path: Path) -> str:
    if path.suffix in PARQUET_SUFFIXES:
        return "Parquet"
    return "comma-separated text" if _separator(path) == "," else "tab-separated text"


def _as_text(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.epoch("s")
    elif column.dtype.is_float() and (column.drop_nulls() % 1 == 0).all():
        column = column.cast(pl.Int64, strict=False)  # ids that a missing value made floats
    return column.cast(pl.String).fill_null("")


def _line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
