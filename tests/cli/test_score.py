"""`ctr-serve score` as a person runs it: what it prints where, and what it refuses in one line."""

import json
from pathlib import Path

import pytest

from tests.api.bodies import body
from tests.artifacts import publish_tiny_version
from tests.cli.commands import ctr_serve
from tests.scoring.files import score, write_lines


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    publish_tiny_version(root, seed=1)
    return root


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "rows.jsonl", [body(), "not JSON", body(behaviors=[])])


def test_answers_go_to_standard_output_and_the_rest_to_standard_error(
    store: Path, rows: Path
) -> None:
    finished = ctr_serve(
        *("score", "tiny@1", "--input", str(rows), "--skip-malformed", "--json"),
        CTR_MODEL_STORE=str(store),
    )

    assert finished.returncode == 0, finished.stderr
    answers = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [answer["request_id"] for answer in answers] == ["1", "3"]
    assert [answer["model"]["version"] for answer in answers] == ["1", "1"]
    notice, summary = finished.stderr.splitlines()
    assert "users without history" in notice
    counted = json.loads(summary)
    assert counted["candidates_per_s"] > 0
    assert (counted["rows"], counted["candidates"], counted["skipped"]) == (2, 10, 1)


def test_a_malformed_row_is_refused_in_one_line(store: Path, rows: Path) -> None:
    result = score(store, "--input", rows, "--output", rows.with_name("out.jsonl"))

    assert result.stdout == ""
    (line,) = str(result.exception).splitlines()
    assert line.startswith(f"{rows}, line 2: Invalid JSON")


def test_standard_output_on_a_full_disk_is_said_in_one_line(store: Path, rows: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        finished = ctr_serve(
            *("score", "tiny", "--input", str(rows), "--skip-malformed"),
            stdout=full,
            CTR_MODEL_STORE=str(store),
        )

    assert finished.returncode == 2
    _, line = finished.stderr.splitlines()
    assert line == "ctr-serve: standard output cannot be written: No space left on device"


def test_a_name_alone_is_its_active_version(store: Path, tmp_path: Path) -> None:
    good = write_lines(tmp_path / "rows.jsonl", [body()])

    result = score(store, "--input", good, "--output", tmp_path / "out.jsonl", "--json")

    summary = json.loads(result.stdout)
    assert (summary["model"], summary["version"]) == ("tiny", "2")


@pytest.mark.parametrize(
    ("model", "arguments", "says"),
    [
        ("nobody", [], "nobody has no active version"),
        ("tiny@7", [], "tiny has no version 7"),
        ("tiny", ["--store", "nowhere"], "there is no model store at nowhere"),
        ("tiny", ["--input", "rows.csv"], "rows.csv: its name must end in one of .jsonl, "),
        ("tiny", ["--input", "nowhere.jsonl"], "nowhere.jsonl cannot be read: "),
        ("tiny", ["--output", "answers.txt"], "answers.txt: its name must end in one of .jsonl, "),
    ],
    ids=["name", "version", "store", "input", "missing", "output"],
)
def test_what_cannot_be_meant_is_refused_by_name(
    store: Path, tmp_path: Path, model: str, arguments: list[str], says: str
) -> None:
    good = write_lines(tmp_path / "rows.jsonl", [body()])

    result = score(store, "--input", good, *arguments, model=model)

    assert says in str(result.exception)
    assert result.stdout == ""
