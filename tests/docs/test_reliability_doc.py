"""`docs/reliability.md` promises tests: each is there, and what it speaks of is public."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown_tables import quoted, rows_under

ROOT = Path(__file__).parents[2]
TEXT = ROOT.joinpath("docs/reliability.md").read_text()
ROWS = rows_under(TEXT, "what goes wrong elsewhere", "what we do", "test")
NAMED = sorted({name for row in ROWS for name in quoted(row["test"])})
THREAD = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+")


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_is_named_exists(name):
    path, _, function = name.partition("::")

    text = ROOT.joinpath(path).read_text()

    assert path.startswith(("tests/", "bench/"))
    assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE)
    assert function or path.startswith("bench/") or "def test_" in text


def test_every_row_names_a_test():
    assert len(ROWS) > 30
    assert all(quoted(row["test"]) for row in ROWS)
    assert all(row["what we do"] for row in ROWS)


def test_sources_are_public_threads():
    targets = [
        target for row in ROWS for target in re.findall(r"\]\(([^)]+)\)", "".join(row.values()))
    ]

    assert len(targets) > 20
    assert all(THREAD.fullmatch(target) for target in targets)
