"""Writing a version into the model store: whole or not at all."""

import errno
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from app.core.calibration import UNCALIBRATED, Calibration
from app.core.schema import FeatureSchema
from app.features.vocabulary import Vocabulary
from app.models.factory import Architecture
from app.registry.durable_files import sync_folder, write_synced
from app.registry.exports.held_out import HeldOut
from app.registry.golden import GoldenRequests
from app.registry.manifest import (
    FileEntry,
    LadderRung,
    Manifest,
    Metrics,
    Split,
    TrainingRecord,
)
from app.registry.model_store import (
    GOLDEN,
    HELD_OUT,
    MANIFEST,
    PRIORS,
    WEIGHTS,
    ModelStore,
    checked_name,
    vocabulary_file,
)
from app.registry.priors import SmoothedRates, rates_to_bytes


@dataclass(frozen=True, slots=True)
class NewVersion:
    """Everything about a version but its number."""

    name: str
    architecture: Architecture
    features: FeatureSchema
    weights: Mapping[str, Tensor]
    vocabularies: Mapping[str, Vocabulary]  # by sparse field
    golden: GoldenRequests
    prior_ctr: float
    training: TrainingRecord = field(default_factory=TrainingRecord)
    metrics: Mapping[Split, Metrics] = field(default_factory=dict)
    metrics_uncalibrated: Mapping[Split, Metrics] = field(default_factory=dict)
    calibration: Calibration = UNCALIBRATED
    prior_rates: Sequence[SmoothedRates] = ()  # by behavior field
    ladder: Sequence[LadderRung] = ()
    held_out: HeldOut | None = None


def publish(store: ModelStore, new: NewVersion) -> Manifest:
    """The next version of its name: written aside, synced, then renamed into place."""
    home = store.root / checked_name(new.name)
    contents = _contents(new)
    home.mkdir(parents=True, exist_ok=True)
    staging = Path(mkdtemp(prefix=".publishing-", dir=home))
    try:
        for file, content in contents.items():
            write_synced(staging / file, content)
        for folder in {(staging / file).parent for file in contents}:
            sync_folder(folder)
        staging.chmod(0o755)
        while True:
            manifest = _manifest(new, _next_version(home), contents)
            write_synced(staging / MANIFEST, manifest.model_dump_json(indent=1).encode())
            sync_folder(staging)
            if _moved(staging, store.folder(new.name, manifest.version)):
                sync_folder(home)
                return manifest
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _contents(new: NewVersion) -> dict[str, bytes]:
    contents = {
        WEIGHTS: save_tensors({name: tensor.contiguous() for name, tensor in new.weights.items()}),
        GOLDEN: new.golden.model_dump_json().encode(),
    }
    for sparse in new.features.sparse_fields:
        contents[vocabulary_file(sparse)] = new.vocabularies[sparse.name].to_bytes()
    if new.prior_rates:
        contents[PRIORS] = rates_to_bytes(new.prior_rates, new.features)
    if new.held_out is not None:
        contents[HELD_OUT] = new.held_out.to_bytes()
    return contents


def _manifest(new: NewVersion, version: str, contents: Mapping[str, bytes]) -> Manifest:
    return Manifest(
        name=new.name,
        version=version,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        torch_version=torch.__version__,
        architecture=new.architecture,
        features=new.features,
        files={
            file: FileEntry(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
            for file, content in contents.items()
        },
        golden_sha256=hashlib.sha256(contents[GOLDEN]).hexdigest(),
        training=new.training,
        metrics=dict(new.metrics),
        metrics_uncalibrated=dict(new.metrics_uncalibrated),
        calibration=new.calibration,
        ladder=tuple(new.ladder),
        prior_ctr=new.prior_ctr,
    )


def _next_version(home: Path) -> str:
    """After every number that is taken, even by a folder that holds no version."""
    numbers = [int(path.name) for path in home.iterdir() if path.name.isdecimal()]
    return str(max(numbers, default=0) + 1)


def _moved(staging: Path, folder: Path) -> bool:
    """False when another publisher was faster and took the folder."""
    try:
        staging.rename(folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True
