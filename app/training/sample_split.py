"""One file of samples in chunks of rows, of which one at a time is read; or all of it at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app.errors import StartupRefused
from app.training.samples import Samples, read_samples
from app.training.side_fields import DeclaredField
from app.training.tables import PARQUET_SUFFIXES


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How much of a file is read, and how much at a time."""

    limit_rows: int | None = None  # for a quick try
    chunk_rows: int | None = None  # None: all of them


class SampleSplit:
    """Chunks of samples by index. A chunk that is the whole file is read once and kept."""

    def __init__(
        self, path: Path, fields: Sequence[DeclaredField], options: ReadingOptions
    ) -> None:
        """Raises StartupRefused for a file that cannot be used, or whose labels are all alike."""
        self._path = path
        self._fields = fields
        self._whole: Samples | None = None
        if options.chunk_rows is None:
            self._whole = read_samples(path, fields, limit_rows=options.limit_rows)
            rows, clicks = len(self._whole), int(self._whole.labels_C.sum())
            self._starts = range(0, rows, rows)
        else:
            rows, clicks = _count(path, options.limit_rows)
            self._starts = range(0, rows, options.chunk_rows)
        self._rows = rows
        if clicks in (0, rows):
            raise StartupRefused(
                f"{path}: all labels are {min(clicks, 1)}; clicks (1) and others (0) are both "
                "needed"
            )

    @property
    def chunk_rows(self) -> Sequence[int]:
        """How many rows each chunk has."""
        return [min(self._starts.step, self._rows - start) for start in self._starts]

    def chunk(self, index: int) -> Samples:
        if self._whole is not None:
            return self._whole
        start = self._starts[index]
        rows = self.chunk_rows[index]
        return read_samples(self._path, self._fields, first_row=start, limit_rows=rows)

    def __iter__(self) -> Iterator[Samples]:
        return map(self.chunk, range(len(self._starts)))


def _count(path: Path, limit_rows: int | None) -> tuple[int, int]:
    """Rows and clicks, without all of them in memory."""
    if path.suffix not in PARQUET_SUFFIXES:
        raise StartupRefused(
            f"--chunk-rows needs {path.with_suffix('.parquet')}: text can only be read as a whole; "
            "`ctr-serve prepare --parquet` writes such files"
        )
    label = pl.col("label").cast(pl.Float32, strict=False)
    counts = pl.len().alias("rows"), (label == 1).sum().alias("clicks")
    try:
        rows = pl.scan_parquet(path)
        rows = rows if limit_rows is None else rows.head(limit_rows)
        ((count, clicks),) = rows.select(counts).collect(engine="streaming").rows()
    except (PolarsError, OSError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise StartupRefused(f"{path} cannot be read as Parquet: {reason}") from error
    return count, clicks
