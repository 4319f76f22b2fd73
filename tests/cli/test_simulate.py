"""`ctr-serve simulate` and the help that leads to it."""

from pathlib import Path

import pytest

from tests.cli.commands import ctr_serve

COMMANDS = (
    *("demo", "serve", "simulate", "prepare", "train"),
    *("evaluate", "import", "load-behaviors", "score"),
)


def test_the_simulated_world_comes_as_samples_and_clicks(tmp_path: Path) -> None:
    finished = ctr_serve("simulate", str(tmp_path), "--seed", "11")

    assert finished.returncode == 0, finished.stderr
    headers = {path.name: path.read_text().split(maxsplit=1)[0] for path in tmp_path.iterdir()}
    assert headers == {
        "train.tsv": "label",
        "valid.tsv": "label",
        "test.tsv": "label",
        "interactions.tsv": "user_id",
    }


def test_a_file_in_the_place_of_the_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    taken = tmp_path / "samples"
    taken.write_text("")

    finished = ctr_serve("simulate", str(taken))

    assert finished.returncode == 2
    assert finished.stderr == f"ctr-serve: {taken} cannot be a folder: File exists\n"


def test_help_names_every_command() -> None:
    help_text = ctr_serve("--help").stdout

    assert all(command in help_text for command in COMMANDS)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "demo"])
def test_the_help_of_a_command_has_an_example(command: str) -> None:
    assert "Example:" in ctr_serve(command, "--help").stdout
