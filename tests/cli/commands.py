"""Runs `ctr-serve` as a person does: a process of its own, from the root of the repository."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120


def ctr_serve(
    *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE, **settings: str
) -> "subprocess.CompletedProcess[str]":
    others = {name: value for name, value in os.environ.items() if not name.startswith("CTR_")}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "app", *arguments],
        env={**others, **settings},
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
