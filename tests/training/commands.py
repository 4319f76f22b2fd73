"""The commands that make versions, run in this process on planted samples."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from app.cli import app

QUICK_TRAINING = (
    "--epochs=2",
    "--batch-size=128",
    "--learning-rate=0.01",
    "--embedding-dim=4",
    "--max-behaviors=5",
)
QUICK_OPTIONS = (*QUICK_TRAINING, "--hidden-size=8")  # of a DIEN


def ctr_serve(*arguments: object) -> str:
    """What the command prints; the error it ends with is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception:
        raise result.exception
    return result.stdout


def train_planted(samples: Path, store: Path, *options: object) -> dict[str, Any]:
    files = (f"--samples={samples}", f"--store={store}", "--name=ads")
    answer: dict[str, Any] = json.loads(
        ctr_serve("train", *files, *QUICK_OPTIONS, *options, "--json")
    )
    return answer
