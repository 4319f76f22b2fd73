"""Where in a file each row of a table came from, so that a refusal says where to look."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from app.errors import StartupRefused

SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Places:
    """The number of each row's line (or row, in Parquet), from 1."""

    path: Path
    numbers: pl.Series
    unit: Literal["line", "row"] = "line"

    def refuse_where(self, bad: pl.Series, values: pl.Series, advice: str) -> None:
        """Raises StartupRefused for the first row at which `bad` is true."""
        if not bad.any():
            return
        row = bad.arg_max() or 0
        raise self.refusal(row, f"{values.name} is {_shown(values[row])}; {advice}")

    def refusal(self, row: int, reason: str) -> StartupRefused:
        return StartupRefused(f"{self.path}, {self.unit} {self.numbers[row]}: {reason}")


def _shown(value: object) -> str:
    text = str(value)
    if value is None:
        return "missing"
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}...")
