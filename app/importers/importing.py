"""One import: a checkpoint's folder in, a verified version in the model store out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from app.core.calibration import UNCALIBRATED
from app.features.encoder import Encoder
from app.importers.checkpoint import Checkpoint, read_checkpoint
from app.importers.deepctr_torch.model import read_deepctr
from app.importers.field_names import FieldNames, choose_names
from app.importers.fuxictr.model import read_fuxictr
from app.importers.golden_requests import draw_golden
from app.importers.source_model import SourceModel
from app.importers.translation import Translated, translate
from app.importers.vocabularies import (
    IndexedIds,
    decimal_ids,
    ids_of_file,
    read_vocabulary_file,
)
from app.registry.golden import GoldenRequest
from app.registry.manifest import Manifest, TrainingRecord
from app.registry.model_store import ModelStore, checked_name
from app.registry.publication import check_writable, golden_of, publish_verified
from app.registry.publishing import NewVersion

Library = Literal["deepctr-torch", "fuxictr"]
READERS: Mapping[Library, Callable[[Checkpoint], SourceModel]] = {
    "deepctr-torch": read_deepctr,
    "fuxictr": read_fuxictr,
}


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Where the checkpoint is, where the version goes, and what its features are called."""

    library: Library
    folder: Path
    store: Path
    name: str
    vocabulary: Path | None = None  # without one, ids are decimal indices
    item: str | None = None  # a feature; None: the usual name, or the first of the history
    category: str | None = None
    activate: bool = True


@dataclass(frozen=True, slots=True)
class Import:
    """What came out."""

    manifest: Manifest
    names: FieldNames
    activated: bool


def import_and_publish(options: ImportOptions) -> Import:
    """Raises StartupRefused for a checkpoint that cannot be represented exactly."""
    checked_name(options.name)
    checkpoint = read_checkpoint(options.folder)
    source = READERS[options.library](checkpoint)
    names = choose_names(source, item=options.item, category=options.category)
    ids = _ids(source, options.vocabulary)
    translated = translate(source, names, ids)
    raw_ids = {names.one(feature): tuple(indexed.index_of) for feature, indexed in ids.items()}
    check_writable(options.store)
    new = _new_version(options, checkpoint, translated, draw_golden(translated.schema, raw_ids))
    manifest = publish_verified(ModelStore(options.store), new, activated=options.activate)
    return Import(manifest, names, options.activate)


def _ids(source: SourceModel, vocabulary: Path | None) -> Mapping[str, IndexedIds]:
    if vocabulary is None:
        return {feature.name: decimal_ids(feature) for feature in source.categorical}
    file = read_vocabulary_file(vocabulary)
    return {feature.name: ids_of_file(feature, file, vocabulary) for feature in source.categorical}


def _new_version(
    options: ImportOptions,
    checkpoint: Checkpoint,
    translated: Translated,
    requests: Sequence[GoldenRequest],
) -> NewVersion:
    encoder = Encoder(translated.schema, translated.vocabularies)
    golden = golden_of(translated.model(), encoder, UNCALIBRATED, requests)
    return NewVersion(
        name=options.name,
        architecture=translated.architecture,
        features=translated.schema,
        weights=translated.weights,
        vocabularies=translated.vocabularies,
        golden=golden,
        # A checkpoint does not say how often its users clicked; this is what it says of anyone.
        prior_ctr=float(np.mean([ctr for request in golden.requests for ctr in request.ctr])),
        training=TrainingRecord(
            options={
                "imported_from": options.library,
                "state_dict_sha256": checkpoint.sha256,
                "config_sha256": hashlib.sha256(checkpoint.config).hexdigest(),
            }
        ),
    )
