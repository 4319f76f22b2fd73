"""`docs/training.md` has every option that says how `ctr-serve train` trains, with its default."""

from pathlib import Path

import pytest
import typer

from app.cli import app, training_options
from tests.docs.markdown_tables import quoted, rows_under

TEXT = Path(__file__).parents[2].joinpath("docs/training.md").read_text()
ROW_OF = {
    quoted(row["Option"])[0]: row
    for row in rows_under(TEXT, "Option", "Default", "Meaning", "When to change it")
}
PANELS = {value for name, value in vars(training_options).items() if name.isupper()}
OPTIONS = {
    option.opts[0]: option
    for option in typer.main.get_command(app).commands["train"].params
    if getattr(option, "rich_help_panel", None) in PANELS
}


def test_every_option_is_documented_and_nothing_else_is():
    assert sorted(ROW_OF) == sorted(OPTIONS)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_the_default_in_the_table_is_the_default(name):
    default = OPTIONS[name].default
    written = "unset" if default is None else f"`{default}`"

    assert ROW_OF[name]["Default"] == written


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_what_it_means_and_when_to_change_it_are_sentences(name):
    assert ROW_OF[name]["Meaning"].endswith(".")
    assert ROW_OF[name]["When to change it"].endswith(".")
