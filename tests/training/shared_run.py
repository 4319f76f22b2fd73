"""Variants to train in one process or, under torchrun, in several; the first writes its scores.

torchrun --nproc-per-node 2 -m tests.training.shared_run FOLDER SCORES
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.factory import Architecture
from app.training.options import NegativeOptions, TrainerOptions
from app.training.origin import StartingPoint
from app.training.prediction import predict
from app.training.processes import Processes, joined_processes
from app.training.progress import Unwatched
from app.training.trainer import train_model
from tests.training.builders import QUICK, SMALL_DIEN
from tests.training.planted_world import PlantedWorld

USERS, CANDIDATES = 400, 4
# The last step of an epoch has one user, so one of two processes has nothing to do.
ONE_EPOCH = replace(QUICK, epochs=1, batch_size=(USERS - 1) * CANDIDATES // 12)


@dataclass(frozen=True, slots=True)
class Variant:
    """What to train, and how."""

    architecture: Architecture
    options: TrainerOptions = ONE_EPOCH


VARIANTS = {
    "dien, as by default": Variant(SMALL_DIEN),
    "dien, everything drawn": Variant(
        SMALL_DIEN,
        replace(
            ONE_EPOCH,
            optimizer=replace(ONE_EPOCH.optimizer, accumulate=3),
            regularization=replace(
                ONE_EPOCH.regularization, l2=(("item_id", 1e-3),), mini_batch_aware_l2=1e-2
            ),
            negatives=NegativeOptions("hard", extra_negatives=2),
        ),
    ),
    "din, dice in its attention": Variant(DinConfig(attention_units=(8,), mlp_units=(16,))),
    "dsin": Variant(DsinConfig(hidden_size=4, mlp_units=(16,))),
}


def scores(world: PlantedWorld, processes: Processes) -> Iterator[tuple[str, list[float]]]:
    """By variant, the mean losses of its epoch and then the logits of the validation samples."""
    for name, variant in VARIANTS.items():
        start = StartingPoint(variant.architecture, world.features)
        parts = (world.split("train"), world.split("valid"))
        trained = train_model(start, parts, variant.options, Unwatched(), processes=processes)
        (epoch,) = trained.epochs
        logits_C = predict(trained.model, world.splits["valid"])
        yield name, [epoch.loss, epoch.auxiliary_loss, *logits_C.tolist()]


def main(folder: Path, target: Path) -> None:
    torch.set_num_threads(1)
    with joined_processes("cpu") as processes:
        result = dict(scores(PlantedWorld(folder), processes))
    if processes.is_first:
        target.write_text(json.dumps(result))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
