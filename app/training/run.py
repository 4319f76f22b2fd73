"""One training run: sample files in, a verified version in the model store out."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from app.core.batch import Floats
from app.core.calibration import UNCALIBRATED, Calibration, ctr_of
from app.errors import StartupRefused
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.models.factory import Architecture, build_model
from app.registry.golden import verify, with_scores
from app.registry.manifest import Manifest, Metrics, Split, TrainingRecord
from app.registry.model_store import ModelStore, checked_name
from app.registry.publishing import NewVersion, activate, publish
from app.training.baselines import RankingQuality, popularity
from app.training.calibration import fit_calibration
from app.training.encoding import EncodedSamples, encode_samples
from app.training.evaluation import evaluate
from app.training.features import FeatureOptions, Features, learn_features
from app.training.golden_requests import choose_golden
from app.training.offline import engine_of
from app.training.options import TrainerOptions
from app.training.prediction import predict
from app.training.progress import EpochReport, Watcher
from app.training.samples import Samples, read_samples
from app.training.trainer import Trained, train_model

EVALUATED: tuple[Split, Split] = ("valid", "test")
OptionValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where samples come from, where the version goes, and all that is decided in between."""

    samples: Path  # a folder with train.tsv, valid.tsv and test.tsv
    store: Path
    name: str
    architecture: Architecture
    features: FeatureOptions
    trainer: TrainerOptions
    limit_rows: int | None = None  # of each split, for a quick try
    activate: bool = True

    def files(self) -> dict[str, Path]:
        return {split: self.samples / f"{split}.tsv" for split in ("train", *EVALUATED)}


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What came out."""

    manifest: Manifest
    epochs: tuple[EpochReport, ...]
    popularity: Mapping[Split, RankingQuality]
    activated: bool


def train_and_publish(options: RunOptions, watcher: Watcher) -> TrainingRun:
    """Raises StartupRefused for samples or options that no model can be trained with."""
    checked_name(options.name)
    samples = {split: _read(path, options) for split, path in options.files().items()}
    features = learn_features(samples["train"], options.features)
    _check_architecture(options.architecture, features)
    _check_writable(options.store)
    encoded = {split: encode_samples(part, features) for split, part in samples.items()}
    trained = train_model(
        options.architecture,
        features,
        (encoded["train"], encoded["valid"]),
        options.trainer,
        watcher,
    )
    new = _new_version(options, features, trained, encoded, samples["test"])
    manifest = _publish_verified(ModelStore(options.store), new, activated=options.activate)
    baselines = {split: popularity(encoded["train"], encoded[split]) for split in EVALUATED}
    return TrainingRun(manifest, trained.epochs, baselines, options.activate)


def _read(path: Path, options: RunOptions) -> Samples:
    samples = read_samples(path, options.features.side_fields, limit_rows=options.limit_rows)
    clicks = int(samples.labels_C.sum())
    if clicks in (0, len(samples)):
        raise StartupRefused(
            f"{path}: all labels are {min(clicks, 1)}; clicks (1) and others (0) are both needed"
        )
    return samples


def _check_writable(store: Path) -> None:
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(f"{store} cannot be a model store: {error.strerror}") from error
    if not os.access(store, os.W_OK):
        raise StartupRefused(f"{store} cannot be written to")


def _check_architecture(architecture: Architecture, features: Features) -> None:
    try:
        with torch.device("meta"):
            build_model(architecture, features.schema)
    except ValueError as error:
        raise StartupRefused(str(error)) from error


def _new_version(
    options: RunOptions,
    features: Features,
    trained: Trained,
    encoded: Mapping[str, EncodedSamples],
    test: Samples,
) -> NewVersion:
    model = trained.model
    encoder = Encoder(features.schema, features.vocabularies)
    engine = Engine(model, torch.device("cpu"))
    logits = {split: predict(model, encoded[split]) for split in EVALUATED}
    chosen = options.trainer.calibration
    calibration = fit_calibration(
        chosen.calibration,
        logits["valid"],
        encoded["valid"].labels_C,
        negatives_kept=chosen.negatives_kept,
    )
    return NewVersion(
        name=options.name,
        architecture=options.architecture,
        features=features.schema,
        weights=model.state_dict(),
        vocabularies=features.vocabularies,
        golden=with_scores(
            choose_golden(test, features.schema), encoder, engine.score, calibration
        ),
        prior_ctr=_prior_ctr(encoded["train"], chosen.negatives_kept),
        training=_record(options, trained),
        metrics=_metrics(logits, encoded, calibration),
        metrics_uncalibrated=_metrics(logits, encoded, UNCALIBRATED),
        calibration=calibration,
    )


def _metrics(
    logits: Mapping[Split, Floats], encoded: Mapping[str, EncodedSamples], calibration: Calibration
) -> dict[Split, Metrics]:
    return {
        split: evaluate(
            ctr_of(logits_C, calibration), encoded[split].labels_C, encoded[split].user_ids_C
        )
        for split, logits_C in logits.items()
    }


def _prior_ctr(train: EncodedSamples, negatives_kept: float) -> float:
    """As if all negatives were there."""
    clicks = float(train.labels_C.sum(dtype=np.float64))
    return clicks / (clicks + (len(train.labels_C) - clicks) / negatives_kept)


def _record(options: RunOptions, trained: Trained) -> TrainingRecord:
    features = asdict(options.features)
    features["side_fields"] = " ".join(map(str, options.features.side_fields))
    choices: dict[str, OptionValue] = {**options.trainer.record(), **features}
    if options.limit_rows is not None:
        choices["limit_rows"] = options.limit_rows
    seconds = [report.seconds for report in trained.epochs]
    return TrainingRecord(
        samples={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in options.files().values()
        },
        options=choices,
        epochs=len(trained.epochs),
        seconds_per_epoch=round(sum(seconds) / len(seconds), 3),
    )


def _publish_verified(store: ModelStore, new: NewVersion, *, activated: bool) -> Manifest:
    """Active only once it has been read back and gives its golden scores again."""
    manifest = publish(store, new)
    artifact = store.load(manifest.name, manifest.version)
    encoder = Encoder(manifest.features, artifact.vocabularies)
    verify(artifact.golden, encoder, engine_of(artifact).score, manifest.calibration)
    if activated:
        activate(store, manifest.name, manifest.version)
    return manifest
