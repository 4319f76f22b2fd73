"""The files of samples: their names, columns and formats; each appears whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import polars as pl

SPLITS = ("train", "valid", "test")
SAMPLE_COLUMNS = (
    "label",
    "user_id",
    "item_id",
    "cate_id",
    "timestamp",
    "history_items",
    "history_cates",
    "history_timestamps",
)
ROW_GROUP = 65_536  # rows of a Parquet file that are read together at least


def sample_file(folder: Path, split: str) -> Path:
    """Parquet if there is such a file, else tab-separated text, whether it is there or not."""
    parquet = folder / f"{split}.parquet"
    return parquet if parquet.is_file() else folder / f"{split}.tsv"


@contextmanager
def whole_file(out_dir: Path, split: str) -> Iterator[TextIO]:
    """Yields the file to write, which gets its name only once nothing has failed."""
    path = out_dir / f"{split}.tsv"
    aside = path.with_name(f".{path.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        yield file
    aside.replace(path)
    path.with_suffix(".parquet").unlink(missing_ok=True)  # of an earlier time


def to_parquet(out_dir: Path) -> None:
    """Turns the three text files into Parquet, row group by row group; histories become lists."""
    for split in SPLITS:
        text = out_dir / f"{split}.tsv"
        aside = out_dir / f".{split}.parquet.part"
        rows = pl.scan_csv(text, separator="\t", infer_schema=False)
        rows.with_columns(
            pl.col("label").cast(pl.Int8),
            pl.col("timestamp").cast(pl.Int64, strict=False),
            _elements("history_items"),
            _elements("history_cates"),
            _elements("history_timestamps").cast(pl.List(pl.UInt32)),
        ).sink_parquet(aside, row_group_size=ROW_GROUP)
        aside.replace(text.with_suffix(".parquet"))
        text.unlink()


def _elements(column: str) -> pl.Expr:
    joined = pl.col(column).fill_null("")
    nothing = pl.lit([], pl.List(pl.String))
    return pl.when(joined == "").then(nothing).otherwise(joined.str.split(",")).alias(column)
