"""Answers are a file that appears whole or not at all, the same in every format."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from app.errors import StartupRefused
from app.scoring.json_lines import json_lines_to
from app.scoring.parquet import ANSWERS, parquet_to
from tests.api.bodies import ad, ads, body, wire_behaviors
from tests.scoring.files import answers, read_lines, score, write_lines

INLINE = wire_behaviors([("item-1", "category-1", 5), ("new", "new", 6)])
ROWS = [
    body(behaviors=INLINE, explain=2),
    body(candidates=[ad(1, bid=0.5), ad(2)], behaviors=[]),
    body(candidates=ads(30), behaviors=INLINE),
]
OUTPUTS = ["answers.jsonl", "answers.ndjson", "answers.jsonl.gz", "answers.parquet"]


def read(path: Path) -> list[dict[str, object]]:
    return pl.read_parquet(path).to_dicts() if path.suffix == ".parquet" else read_lines(path)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_file_has_the_answers_of_standard_output(store: Path, tmp_path: Path, name: str) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", ROWS)

    result = score(store, "--input", rows, "--output", tmp_path / name)

    assert result.exit_code == 0, result.exception
    assert read(tmp_path / name) == answers(store, "--input", rows)
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", name}


@pytest.mark.parametrize("name", OUTPUTS)
def test_no_rows_are_no_answers(store: Path, tmp_path: Path, name: str) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", [])

    result = score(store, "--input", rows, "--output", tmp_path / name)

    assert result.exit_code == 0, result.exception
    assert read(tmp_path / name) == []


def test_the_columns_of_a_table_do_not_depend_on_its_rows(store: Path, tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", [body(behaviors=[])])

    score(store, "--input", rows, "--output", tmp_path / "answers.parquet")

    assert dict(pl.read_parquet_schema(tmp_path / "answers.parquet")) == ANSWERS


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_malformed_row_leaves_nothing_and_spoils_nothing(
    store: Path, tmp_path: Path, name: str
) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", [*ROWS * 5, body(user_id="")])
    output = tmp_path / name
    output.write_text("what was there before")

    result = score(store, "--input", rows, "--output", output)

    assert isinstance(result.exception, StartupRefused)
    assert str(result.exception).startswith(f"{rows}, line 16: user_id: ")
    assert output.read_text() == "what was there before"
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", name}


@pytest.mark.parametrize("writer", [json_lines_to, parquet_to])
def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path, writer) -> None:
    path = tmp_path / "answers.file"

    with writer(path) as write:
        write(b'{"request_id":"1"}')
        assert not path.exists()

    assert path.exists()


def test_equal_answers_are_equal_bytes(store: Path, tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", ROWS)

    for name in ("first.jsonl.gz", "second.jsonl.gz"):
        score(store, "--input", rows, "--output", tmp_path / name)

    first, second = ((tmp_path / f"{name}.jsonl.gz").read_bytes() for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize("name", ["nowhere/answers.jsonl", "nowhere/answers.parquet"])
def test_where_no_file_can_be_written_nothing_is_scored(
    store: Path, tmp_path: Path, name: str
) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", ROWS)

    result = score(store, "--input", rows, "--output", tmp_path / name)

    assert isinstance(result.exception, StartupRefused)
    assert f"{tmp_path / name} cannot be written: " in str(result.exception)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow beyond a KiB: the error of a full disk, by another name."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("name", "writer", "rows"),
    [
        pytest.param("answers.jsonl", json_lines_to, 10_000, id="lines"),
        pytest.param("answers.jsonl", json_lines_to, 100, id="the last lines"),
        pytest.param("answers.jsonl.gz", json_lines_to, 10_000, id="compressed lines"),
        pytest.param("answers.parquet", parquet_to, 10_000, id="rows before they are a table"),
        pytest.param("answers.parquet", parquet_to, 1, id="a table"),
    ],
)
def test_a_full_disk_is_said_in_one_line_and_leaves_no_answers(tmp_path, name, writer, rows):
    def write_all() -> None:
        with full_disk(), writer(tmp_path / name) as write:
            for row in range(rows):
                write(b'{"request_id":"%d"}' % row)

    with pytest.raises(StartupRefused) as refused:
        write_all()

    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{tmp_path / name} cannot be written: ")
    assert "File too large" in line
    assert list(tmp_path.iterdir()) == []
