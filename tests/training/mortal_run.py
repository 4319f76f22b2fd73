"""A training run that may kill its own process in the middle of an epoch.

python -m tests.training.mortal_run SAMPLES STORE CHECKPOINTS
"""

import os
import signal
import sys
from pathlib import Path

import torch

from app.training.features import FeatureOptions
from app.training.options import (
    NegativeOptions,
    OptimizerOptions,
    RegularizationOptions,
    TrainerOptions,
)
from app.training.origin import NewModel
from app.training.progress import Unwatched, Watcher
from app.training.run import RunOptions, TrainingRun, train_and_publish
from app.training.sample_folder import SampleFolder
from tests.training.builders import SMALL_DIEN

# Everything that has a state: averages, moments, a schedule, dropout and things drawn.
EVERYTHING = TrainerOptions(
    epochs=3,
    patience=3,
    batch_size=64,
    seed=3,
    optimizer=OptimizerOptions(
        learning_rate=1e-2, schedule="cosine", warm_up_steps=20, accumulate=2
    ),
    regularization=RegularizationOptions(embedding_dropout=0.2),
    negatives=NegativeOptions("hard", extra_negatives=1),
)


class Mortal(Unwatched):
    """Kills the process, as kill -9 does, after a few batches of the second epoch."""

    def __init__(self) -> None:
        self._epoch = 0
        self._batches = 0

    def epoch_started(self, epoch: int, rows: int) -> None:
        self._epoch = epoch
        self._batches = 0

    def batch_done(self, rows: int, mean_loss: float) -> None:
        self._batches += 1
        if (self._epoch, self._batches) == (2, 3):
            os.kill(os.getpid(), signal.SIGKILL)


def run(samples: Path, store: Path, checkpoints: Path | None, watcher: Watcher) -> TrainingRun:
    options = RunOptions(
        samples=SampleFolder(samples),
        store=store,
        name="ads",
        origin=NewModel(SMALL_DIEN, FeatureOptions(embedding_dim=4)),
        trainer=EVERYTHING,
        checkpoints=checkpoints,
    )
    torch.set_num_threads(1)  # more of them add in another order
    return train_and_publish(options, watcher)


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:4]), Mortal())
