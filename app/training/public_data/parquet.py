"""Some columns of a Parquet file of any size, or one line on why not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app.errors import StartupRefused
from app.training.public_data.line_blocks import OnBytes
from app.training.public_data.places import Places


def parquet_schema(path: Path) -> pl.Schema:
    """Raises StartupRefused for what is no Parquet file."""
    with _readable(path):
        return pl.scan_parquet(path).collect_schema()


def read_parquet(
    path: Path, columns: Sequence[str | pl.Expr], on_bytes: OnBytes
) -> tuple[Places, pl.DataFrame]:
    """Never more than these columns in memory. Raises StartupRefused if one cannot be had."""
    with _readable(path):
        table = pl.scan_parquet(path).select(columns).collect(engine="streaming")
    on_bytes(path.stat().st_size)
    return Places(path, pl.int_range(1, len(table) + 1, eager=True), "row"), table


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise StartupRefused(f"{path} is not a file")
    try:
        yield
    except (PolarsError, OSError) as error:
        line = str(error).strip().split("\n", maxsplit=1)[0]
        raise StartupRefused(f"{path} cannot be read as Parquet: {line}") from error
