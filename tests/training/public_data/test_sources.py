"""What `ctr-serve prepare` refuses before it reads anything."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.prepare import FORMATS_OF, prepare
from app.errors import StartupRefused
from tests.training.public_data.published_files import dien_samples, user_behavior


def refusal(*arguments: object) -> str:
    with pytest.raises(StartupRefused) as refused:
        CliRunner().invoke(app, ["prepare", *map(str, arguments)], catch_exceptions=False)
    return str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--metadata=m",), "--metadata is for --format amazon or dien or movielens, not log"),
        (("--format=taobao", "--metadata=m"), "--metadata is for"),
        (("--format=movielens", "--behavior=buy"), "--behavior is for --format taobao"),
        (("--format=amazon", "--min-rating=4"), "--min-rating is for --format movielens"),
        (("--format=amazon", "--user-column=u"), "--user-column is for --format log, not amazon"),
    ],
    ids=["log", "metadata", "behavior", "rating", "column"],
)
def test_an_option_of_another_format_is_refused(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in refusal("log.tsv", "out", *arguments)


def test_only_parameters_that_exist_belong_to_formats() -> None:
    assert FORMATS_OF.keys() <= prepare.__annotations__.keys()


@pytest.mark.parametrize("name", ["amazon", "movielens", "dien"])
def test_the_second_file_is_asked_for(tmp_path: Path, name: str) -> None:
    path = user_behavior(tmp_path / "file")

    assert f"--format {name} needs --metadata: " in refusal(path, tmp_path, f"--format={name}")


@pytest.mark.parametrize(
    "arguments",
    [("cat_voc.pkl", "out"), ("reviews-info", "out", "--metadata=cat_voc.pkl")],
    ids=["first", "second"],
)
def test_a_pickle_is_refused_whether_it_exists_or_not(arguments: tuple[str, ...]) -> None:
    reason = refusal(*arguments, "--format=dien")

    assert "cat_voc.pkl is a pickle, and pickles are never loaded" in reason
    assert "\n" not in reason


@pytest.mark.parametrize("option", ["--metadata=item-info", "--max-targets=1"], ids=str)
def test_labeled_samples_need_nothing_else(tmp_path: Path, option: str) -> None:
    train = dien_samples(tmp_path / "local_train", ["u1", "u2"])

    reason = refusal(train, tmp_path, "--format=dien", option)

    assert "leave out --metadata and --max-targets" in reason


@pytest.mark.parametrize("name", ["taobao", "amazon", "movielens", "dien"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    second = () if name == "taobao" else ("--metadata=m",)

    reason = refusal(tmp_path / "missing", tmp_path, f"--format={name}", *second)

    assert reason == f"{tmp_path / 'missing'} is not a file"
