"""From a version in the model store and a folder of samples to an evaluation: the reading part."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from app.core.batch import Doubles, Floats, Rows
from app.core.calibration import UNCALIBRATED, Calibration, ctr_of
from app.core.schema import OOV_ROW
from app.features.encoder import Encoder
from app.registry.golden import verify
from app.registry.manifest import Split
from app.registry.model_store import WEIGHTS, Artifact, ModelStore
from app.registry.version_reference import resolve
from app.training.columns import IdColumn
from app.training.offline import engine_of
from app.training.quality.evaluation import (
    Evaluation,
    EvaluationOptions,
    Identity,
    Rung,
    evaluate_rows,
)
from app.training.quality.scored_rows import Mask, ScoredRows
from app.training.quality.slices import Circumstances
from app.training.sample_files import sample_file
from app.training.sample_folder import SampleFolder
from app.training.samples import Samples, read_samples
from app.training.side_fields import fields_of
from app.training.tables import read_table

# C candidates


@dataclass(frozen=True, slots=True)
class Examined:
    """A version that reproduces its golden scores, and the samples to evaluate it on."""

    artifact: Artifact
    samples: Samples
    circumstances: Circumstances
    identity: Identity

    @property
    def users(self) -> int:
        """Of the progress of scoring: users, each at one moment."""
        return len(self.samples.lengths_U)


def examine(store: ModelStore, reference: str, folder: Path, split: Split) -> Examined:
    """Reads NAME[@VERSION] and a split; training samples tell of rare items, if there are any.

    Raises StartupRefused for samples that cannot be read, ArtifactRefused for a bad version.
    """
    artifact = store.load(*resolve(store, reference))
    manifest = artifact.manifest
    encoder = Encoder(manifest.features, artifact.vocabularies)
    verify(artifact.golden, encoder, engine_of(artifact).score, manifest.calibration)
    file = sample_file(folder, split)
    samples = read_samples(file, fields_of(manifest.features))
    circumstances = _circumstances(artifact, samples, sample_file(folder, "train"))
    return Examined(artifact, samples, circumstances, _identity(artifact, split, file))


def evaluate_version(
    examined: Examined, logits_C: Floats, options: EvaluationOptions
) -> Evaluation:
    """What the logits that the version gives its samples are worth."""
    samples, calibration = examined.samples, examined.artifact.manifest.calibration
    evaluation = evaluate_rows(
        examined.identity,
        _scored_rows(samples, logits_C, calibration),
        None if calibration == UNCALIBRATED else _scored_rows(samples, logits_C, UNCALIBRATED),
        examined.circumstances,
        options,
    )
    return replace(evaluation, ladder=_ladder(examined))


def _ladder(examined: Examined) -> tuple[Rung, ...]:
    """Of the same split; older versions and imported ones have not been measured."""
    return tuple(
        Rung(rung.degraded, rung.behaviors - rung.missing_newest, **quality.model_dump())
        for rung in examined.artifact.manifest.ladder
        if (quality := rung.metrics.get(examined.identity.split)) is not None
    )


def _scored_rows(samples: Samples, logits_C: Floats, calibration: Calibration) -> ScoredRows:
    """Ranked by logits, which a calibration does not reorder; judged by the CTR that it serves."""
    ctr_C: Doubles = ctr_of(logits_C, calibration)
    user_C = samples.users.ids["user_id"].codes_R[samples.user_of_C]
    return ScoredRows(logits_C, ctr_C, samples.labels_C > 0, user_C)


def _circumstances(artifact: Artifact, samples: Samples, train: Path) -> Circumstances:
    items, categories = (samples.candidates.ids[name] for name in ("item_id", "category_id"))
    return Circumstances(
        history_length_C=samples.lengths_U[samples.user_of_C],
        item_known_C=_known(artifact, "item_id", items),
        category_known_C=_known(artifact, "category_id", categories),
        category_C=categories.codes_R,
        categories=categories.distinct,
        item_C=items.codes_R,
        training_clicks_C=_training_clicks(train, items) if train.is_file() else None,
    )


def _known(artifact: Artifact, field: str, ids: IdColumn) -> Mask:
    """[C] whether the model knows the id; it may read no categories at all."""
    vocabulary = artifact.vocabularies.get(field)
    if vocabulary is None:
        return np.zeros(len(ids), bool)
    known_C: Mask = (vocabulary.rows_of(ids.distinct_keys()) != OOV_ROW)[ids.codes_R]
    return known_C


def _training_clicks(train: Path, items: IdColumn) -> Rows:
    """[C] how often the item was clicked in the training samples."""
    table = read_table(train, ["label", "item_id"])
    clicked = table.filter(pl.col("label").cast(pl.Float32, strict=False) == 1)
    clicks = dict(clicked["item_id"].value_counts().iter_rows())
    return np.array([clicks.get(item, 0) for item in items.distinct], np.int64)[items.codes_R]


def _identity(artifact: Artifact, split: Split, file: Path) -> Identity:
    manifest = artifact.manifest
    sha256 = SampleFolder(file.parent).digests([split])[file.name]
    return Identity(
        name=manifest.name,
        version=manifest.version,
        architecture=manifest.architecture.model_dump(mode="json"),
        calibration=manifest.calibration.model_dump(mode="json"),
        torch_version=manifest.torch_version,
        weights_sha256=manifest.files[WEIGHTS].sha256,
        split=split,
        samples_file=file.name,
        samples_sha256=sha256,
        samples_of_training=manifest.training.samples.get(file.name) == sha256,
    )
