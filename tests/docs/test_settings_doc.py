"""`docs/settings.md` is the settings: all of them, what they default to and what they accept."""

from pathlib import Path
from typing import get_args

import pytest

from app.settings import PREFIX, Settings
from tests.docs.markdown_tables import quoted, rows_under

TEXT = Path(__file__).parents[2].joinpath("docs/settings.md").read_text()
ROWS = rows_under(TEXT, "Variable", "Default", "Accepts", "Meaning")
ROW_OF = {quoted(row["Variable"])[0].removeprefix(PREFIX).lower(): row for row in ROWS}
FIELDS = Settings.model_fields
DOCUMENTED = sorted(ROW_OF.keys() & FIELDS.keys())


def test_every_setting_is_documented_once_and_nothing_else_is():
    variables = [quoted(row["Variable"])[0] for row in ROWS]

    assert sorted(variables) == sorted(PREFIX + name.upper() for name in FIELDS)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_default_in_the_table_is_the_default(name):
    default = FIELDS[name].default
    written = quoted(ROW_OF[name]["Default"])

    if default is None:
        assert ROW_OF[name]["Default"] == "unset"
    else:
        assert getattr(Settings(**{name: written[0]}), name) == default
        assert "".join(written) == str(default)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_table_says_what_is_accepted(name):
    accepts = ROW_OF[name]["Accepts"]

    assert accepts
    if FIELDS[name].annotation in {int, float}:
        assert accepts == accepted_range(FIELDS[name].metadata)
    choices = get_args(FIELDS[name].annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        assert quoted(accepts) == list(choices)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_meaning_is_a_sentence(name):
    assert ROW_OF[name]["Meaning"].endswith(".")


@pytest.mark.parametrize("device", quoted(ROW_OF["device"]["Accepts"]))
def test_the_documented_devices_are_accepted(device):
    settings = Settings(device=device.replace("N", "0"))

    assert settings.device == device.replace("N", "0")


def accepted_range(bounds):
    """What the bounds of a number mean, in the words of the table."""
    found = {
        kind: getattr(bound, kind)
        for bound in bounds
        for kind in ("ge", "gt", "le", "lt")
        if hasattr(bound, kind)
    }
    if found.keys() == {"ge", "le"}:
        return f"{found['ge']} to {found['le']}"
    lowest = f"from {found['ge']}" if "ge" in found else f"above {found['gt']}"
    return f"{lowest}, up to {found['le']}" if "le" in found else lowest
