"""The planted samples, read and encoded once, to train small models on."""

from dataclasses import replace
from pathlib import Path
from typing import Self

from app.models.factory import Architecture
from app.training.checkpoints import Checkpoints
from app.training.encoded_split import EncodedSplit
from app.training.encoding import EncodedSamples, encode_samples
from app.training.features import FeatureOptions, Features, learn_features
from app.training.options import TrainerOptions
from app.training.origin import StartingPoint
from app.training.processes import Processes
from app.training.progress import Unwatched, Watcher
from app.training.samples import read_samples
from app.training.trainer import ALONE, Trained, train_model
from tests.training.builders import QUICK, SMALL_DIEN, planted_folder

UNWATCHED = Unwatched()


class PlantedWorld:
    """Three splits, and one that punishes learning."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        raw = {split: read_samples(folder / f"{split}.tsv") for split in ("train", "valid", "test")}
        self.features: Features = learn_features([raw["train"]], FeatureOptions(embedding_dim=4))
        self.splits: dict[str, EncodedSamples] = {
            split: encode_samples(samples, self.features) for split, samples in raw.items()
        }
        valid = self.splits["valid"]
        # The more is learned, the worse it looks: the best epoch comes early.
        self.splits["upside_down"] = replace(valid, labels_C=1 - valid.labels_C)

    @classmethod
    def planted(cls, folder: Path, click_rate: float) -> Self:
        return cls(planted_folder(folder, users=400, click_rate=click_rate))

    def split(self, name: str) -> EncodedSplit:
        return EncodedSplit.of(self.splits[name], self.features.schema)

    def train(
        self,
        options: TrainerOptions = QUICK,
        *,
        valid: str = "valid",
        architecture: Architecture = SMALL_DIEN,
        watcher: Watcher = UNWATCHED,
        checkpoints: Checkpoints | None = None,
        processes: Processes = ALONE,
    ) -> Trained:
        start = StartingPoint(architecture, self.features)
        parts = (self.split("train"), self.split(valid))
        return train_model(
            start, parts, options, watcher, checkpoints=checkpoints, processes=processes
        )
