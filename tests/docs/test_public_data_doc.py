"""The commands of `docs/public_data.md` work on the files they name, from end to end."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.training.samples import read_samples
from tests.docs.markdown_tables import code_blocks, quoted, rows_under
from tests.training.public_data import published_files as files

TEXT = Path(__file__).parents[2].joinpath("docs/public_data.md").read_text()
COMMANDS = [line for block in code_blocks(TEXT, "sh") for line in block.splitlines()]
USERS = [f"A{user}" for user in range(20)]


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every file that the page names, in the working folder."""
    monkeypatch.chdir(tmp_path)
    files.reviews_2014(tmp_path / "reviews_Books_5.json.gz")
    files.metadata_2014(tmp_path / "meta_Books.json.gz")
    files.reviews_2018(tmp_path / "Electronics_5.json.gz")
    files.metadata_2018(tmp_path / "meta_Electronics.json.gz")
    files.reviews_2023(tmp_path / "Books.jsonl.gz")
    files.reviews_2023(tmp_path / "Books.parquet")
    files.ratings_2023(tmp_path / "Books.csv.gz")
    files.metadata_2023(tmp_path / "meta_Books.jsonl.gz")
    files.metadata_2023(tmp_path / "meta_Books.parquet")
    for ending in ("", "_splitByUser"):
        files.dien_samples(tmp_path / f"local_train{ending}", USERS)
        files.dien_samples(tmp_path / f"local_test{ending}", ["B1"])
    files.reviews_info(tmp_path / "reviews-info")
    files.item_info(tmp_path / "item-info")
    files.user_behavior(tmp_path / "UserBehavior.csv", ("pv", "cart", "buy"))
    files.ratings_csv(tmp_path / "ratings.csv")
    files.movies_csv(tmp_path / "movies.csv")
    files.ratings_dat(tmp_path / "ratings.dat")
    files.movies_dat(tmp_path / "movies.dat")
    files.u_data(tmp_path / "u.data")
    files.u_item(tmp_path / "u.item")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[3])
def test_a_documented_command_makes_samples_to_train_on(downloads: Path, command: str) -> None:
    program, *arguments = shlex.split(command)

    ended = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)

    answer = json.loads(ended.stdout)
    assert (program, ended.exit_code, answer["out_dir"]) == ("ctr-serve", 0, arguments[2])
    for split, rows in answer["rows"].items():
        samples = read_samples(downloads / arguments[2] / f"{split}.tsv")
        assert len(samples) == rows > 0
        assert samples.labels_C.sum() == rows / 2
        assert samples.behaviors.rows > 0


def test_every_file_in_the_table_has_a_command() -> None:
    table = rows_under(TEXT, "Source", "Files to download", "Becomes a click", "Category")
    read_beside_another = {"local_test_splitByUser", "local_test"}

    named = {name for row in table for name in quoted(row["Files to download"])}

    assert named - read_beside_another <= set(" ".join(COMMANDS).split())


def test_the_answer_says_what_was_found_and_counted(downloads: Path) -> None:
    arguments = ["prepare", "reviews-info", "out", "--format", "dien", "--metadata", "item-info"]

    ended = CliRunner().invoke(app, arguments)

    assert ended.stdout.splitlines() == [
        "DIEN reviews-info: 8 reviews, 0 without category",
        "out/train.tsv: 4 rows, half of them clicks",
        "out/valid.tsv: 4 rows, half of them clicks",
        "out/test.tsv: 4 rows, half of them clicks",
        "Next: ctr-serve train --samples out",
    ]
