"""Files of requests, and the answers that `ctr-serve score` gives to them, in this process."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from click.testing import Result
from typer.testing import CliRunner

from app.cli import app

Json = dict[str, Any]


def write_lines(path: Path, rows: Sequence[Json | str]) -> Path:
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


def read_lines(path: Path) -> list[Json]:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    return [json.loads(line) for line in text.splitlines()]


def write_parquet(path: Path, rows: Sequence[Json]) -> Path:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


def score(store: Path, *arguments: object, model: str = "tiny", redis_url: str = "") -> Result:
    """What the command did; an exception that it raised is in the result."""
    settings = {"CTR_MODEL_STORE": str(store), "CTR_REDIS_URL": redis_url}
    return CliRunner(env=settings).invoke(app, ["score", model, *map(str, arguments)])


def answers(store: Path, *arguments: object, redis_url: str = "") -> list[Json]:
    """What is on standard output when nothing goes wrong."""
    result = score(store, *arguments, redis_url=redis_url)
    assert result.exit_code == 0, result.exception or result.output
    return [json.loads(line) for line in result.stdout.splitlines()]
