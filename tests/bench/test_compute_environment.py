"""What computes without a server does so in an environment of its own, which has all it needs."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from bench.race.environments import REQUIREMENTS

ROOT = Path(__file__).parents[2]
LOADED = "import sys, bench.race.compute; print(*{name.split('.')[0] for name in sys.modules})"


def test_it_has_every_dependency_of_ours_that_is_imported_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    command = [sys.executable, "-c", LOADED]
    run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    distributions = packages_distributions()
    imported = {name for module in run.stdout.split() for name in distributions.get(module, ())}

    pinned = {line.split("==")[0] for line in (REQUIREMENTS / "compute.txt").read_text().split()}

    assert {"torch", "msgspec"} <= ours & imported <= pinned
