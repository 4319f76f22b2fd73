"""Which reader and which writer a file of `ctr-serve score` has, by its name."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.train_extra import needs_train_extra
from app.errors import StartupRefused

if TYPE_CHECKING:
    from app.scoring.answers import Write
    from app.scoring.rows import RowFile

JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")


def rows_of(path: Path) -> "RowFile":
    """Raises StartupRefused for a file that is not there, or that has no such rows."""
    if _is_json_lines(path):
        from app.scoring.json_lines import JsonLines

        return JsonLines(path)
    _check_parquet(path)
    with needs_train_extra():
        from app.scoring.parquet import ParquetRows
    return ParquetRows(path)


def answers_to(path: Path | None) -> "AbstractContextManager[Write]":
    """Standard output where there is no path. Raises StartupRefused."""
    if path is None:
        from app.scoring.answers import standard_output

        return standard_output()
    if _is_json_lines(path):
        from app.scoring.json_lines import json_lines_to

        return json_lines_to(path)
    _check_parquet(path)
    with needs_train_extra():
        from app.scoring.parquet import parquet_to
    return parquet_to(path)


def _is_json_lines(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return name.endswith(JSON_LINES)


def _check_parquet(path: Path) -> None:
    if path.suffix not in PARQUET:
        endings = ", ".join((*JSON_LINES, *(f"{ending}.gz" for ending in JSON_LINES), *PARQUET))
        raise StartupRefused(f"{path}: its name must end in one of {endings}")
