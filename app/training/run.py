"""One training run: sample files in, a verified version in the model store out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from app.features.encoder import Encoder
from app.registry.manifest import Manifest, Split, TrainingRecord
from app.registry.model_store import ModelStore, checked_name
from app.registry.publication import check_writable, golden_of, publish_verified
from app.registry.publishing import NewVersion
from app.training.baselines import RankingQuality, popularity
from app.training.checkpoints import Checkpoints
from app.training.encoded_split import EncodedSplit, SplitCounts
from app.training.golden_requests import choose_golden
from app.training.held_out import choose_held_out
from app.training.judgment import EVALUATED, judge
from app.training.options import TrainerOptions
from app.training.origin import OptionValue, Origin, StartingPoint
from app.training.priors import learn_priors
from app.training.processes import Processes
from app.training.progress import EpochReport, Unwatched, Watcher
from app.training.sample_folder import SampleFolder
from app.training.sample_split import SampleSplit
from app.training.samples import Samples
from app.training.trainer import ALONE, Trained, train_model

SPLITS = ("train", *EVALUATED)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where samples come from, where the version goes, and all that is decided in between."""

    samples: SampleFolder
    store: Path
    name: str
    origin: Origin
    trainer: TrainerOptions
    checkpoints: Path | None = None  # a folder to go on from after a kill
    activate: bool = True


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What came out."""

    manifest: Manifest
    epochs: tuple[EpochReport, ...]
    popularity: Mapping[Split, RankingQuality]
    activated: bool


def train_and_publish(
    options: RunOptions, watcher: Watcher, processes: Processes = ALONE
) -> TrainingRun:
    """In the first of processes that train together.

    Raises StartupRefused for samples or options that no model can be trained with.
    """
    checked_name(options.name)
    samples = {split: options.samples.split(split, options.origin.fields) for split in SPLITS}
    start = options.origin.begin(samples["train"])
    check_writable(options.store)
    encoded = _encoded(samples, start)
    trained = _train(options, start, encoded, watcher, processes)
    new = _new_version(options, start, trained, encoded, samples["test"].chunk(0))
    manifest = publish_verified(ModelStore(options.store), new, activated=options.activate)
    clicks_V = encoded["train"].counts.clicks_V
    baselines = {split: popularity(clicks_V, encoded[split]) for split in EVALUATED}
    return TrainingRun(manifest, trained.epochs, baselines, options.activate)


def help_to_train(options: RunOptions, processes: Processes) -> None:
    """In all of them but the first. Raises as the first does, which then says why."""
    samples = {split: options.samples.split(split, options.origin.fields) for split in SPLITS[:2]}
    start = options.origin.begin(samples["train"])
    _train(options, start, _encoded(samples, start), Unwatched(), processes)


def _encoded(
    samples: Mapping[str, SampleSplit], start: StartingPoint
) -> Mapping[str, EncodedSplit]:
    return {name: EncodedSplit.encoding(split, start.features) for name, split in samples.items()}


def _train(
    options: RunOptions,
    start: StartingPoint,
    encoded: Mapping[str, EncodedSplit],
    watcher: Watcher,
    processes: Processes,
) -> Trained:
    return train_model(
        start,
        (encoded["train"], encoded["valid"]),
        options.trainer,
        watcher,
        checkpoints=_checkpoints(options, start),
        processes=processes,
    )


def _new_version(
    options: RunOptions,
    start: StartingPoint,
    trained: Trained,
    encoded: Mapping[str, EncodedSplit],
    test: Samples,
) -> NewVersion:
    chosen = options.trainer.calibration
    features, counts = start.features, encoded["train"].counts
    kept = chosen.negatives_kept
    prior_ctr = _prior_ctr(counts, kept)
    priors = learn_priors(
        counts.candidates, features.schema, mean_ctr=prior_ctr, negatives_kept=kept
    )
    judgment = judge(
        trained.model,
        {split: encoded[split] for split in EVALUATED},
        chosen,
        priors,
        features.schema.max_behaviors,
    )
    encoder = Encoder(features.schema, features.vocabularies)
    requests = choose_golden(test, features.schema)
    return NewVersion(
        name=options.name,
        architecture=start.architecture,
        features=features.schema,
        weights=trained.model.state_dict(),
        vocabularies=features.vocabularies,
        golden=golden_of(trained.model, encoder, judgment.calibration, requests),
        prior_ctr=prior_ctr,
        training=_record(options, trained),
        metrics=judgment.metrics,
        metrics_uncalibrated=judgment.metrics_uncalibrated,
        calibration=judgment.calibration,
        prior_rates=priors.rates,
        ladder=judgment.ladder,
        held_out=choose_held_out(encoded["test"].chunk(0)),
    )


def _checkpoints(options: RunOptions, start: StartingPoint) -> Checkpoints | None:
    """Of runs that are told the same: anything else would end elsewhere."""
    if options.checkpoints is None:
        return None
    digests = options.samples.digests(SPLITS)
    run = {
        **_choices(options),
        **{f"sha256 of {name}": digest for name, digest in digests.items()},
        **{f"origin {name}": sha for name, sha in options.origin.provenance().made_from.items()},
        "architecture": start.architecture.model_dump_json(),
        "torch": torch.__version__,
    }
    return Checkpoints(options.checkpoints, run)


def _prior_ctr(train: SplitCounts, negatives_kept: float) -> float:
    """As if all negatives were there."""
    return train.clicks / (train.clicks + (train.rows - train.clicks) / negatives_kept)


def _record(options: RunOptions, trained: Trained) -> TrainingRecord:
    seconds = [report.seconds for report in trained.epochs]
    return TrainingRecord(
        samples=options.samples.digests(SPLITS),
        options=_choices(options),
        epochs=len(trained.epochs),
        seconds_per_epoch=round(sum(seconds) / max(1, len(seconds)), 3),
        made_from=dict(options.origin.provenance().made_from),
    )


def _choices(options: RunOptions) -> dict[str, OptionValue]:
    """All that was decided, by name."""
    provenance = options.origin.provenance()
    return {**options.trainer.record(), **provenance.options, **options.samples.limits}
