"""The results file read back: runs by contestant and cell, medians over rounds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.race.contestants import OURS

Run = dict[str, Any]
Cell = tuple[int, int, float]  # candidates, behaviors, share of hot users


@dataclass(frozen=True, slots=True)
class Results:
    """Everything of one race."""

    content: dict[str, Any]

    @classmethod
    def read(cls, file: Path) -> "Results":
        return cls(json.loads(file.read_text()))

    def runs(self, part: str) -> list[Run]:
        """Of `closed`, `open`, `overload` or `costs`."""
        runs: list[Run] = self.content[part]
        return runs

    def of(self, part: str, contestant: str, cell: Cell) -> list[Run]:
        return [
            run
            for run in self.runs(part)
            if run["contestant"] == contestant and cell_of(run) == cell
        ]

    def median(self, part: str, contestant: str, cell: Cell, value: str) -> float | None:
        """Over the rounds; None where it has not run."""
        found = [run[value] for run in self.of(part, contestant, cell)]
        return median(found) if found else None

    def contestants(self, part: str) -> list[str]:
        """Ours first, then as they ran."""
        names = dict.fromkeys(run["contestant"] for run in self.runs(part))
        return sorted(names, key=lambda name: name != OURS)

    def cells(self, part: str) -> list[Cell]:
        return sorted(set(map(cell_of, self.runs(part))))

    def best_peer(self, part: str, cell: Cell, value: str, *, lowest: bool = False) -> str | None:
        """The peer with the highest (or lowest) median of a value in that cell."""
        found = {
            name: amount
            for name in self.contestants(part)
            if name != OURS and (amount := self.median(part, name, cell, value)) is not None
        }
        if not found:
            return None
        return (min if lowest else max)(found, key=lambda name: found[name])


def cell_of(run: Run) -> Cell:
    return run["candidates"], run["behaviors"], run["hot_share"]


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """None where one of them is missing or nothing can be divided by."""
    return numerator / denominator if numerator is not None and denominator else None


def varying(runs: Sequence[Run], name: str, fixed: str) -> list[Run]:
    """The runs of a cost curve along `name`: those that share the most common `fixed` value."""
    values = [run[fixed] for run in runs]
    common = max(set(values), key=values.count, default=None)
    return sorted((run for run in runs if run[fixed] == common), key=lambda run: float(run[name]))
