"""Runs `ctr-serve`: as a person does, from the root of the repository, or in this process.

A process of its own takes seconds to import torch, so one run of each command has to do.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from typer.testing import CliRunner, Result

from app.cli import app
from app.errors import StartupRefused

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


def run_here(*arguments: object, **settings: str) -> Result:
    """What the command did in this process; an exception that it raised is in the result."""
    nothing = {name: None for name in os.environ if name.startswith("CTR_")}
    return CliRunner(env=nothing | settings).invoke(app, [str(argument) for argument in arguments])


def refusal_of(*arguments: object, **settings: str) -> str:
    """The one line that the command refuses with, having printed nothing."""
    result = run_here(*arguments, **settings)
    assert isinstance(result.exception, StartupRefused), result.output
    assert result.output == ""
    (line,) = str(result.exception).splitlines()
    return line
