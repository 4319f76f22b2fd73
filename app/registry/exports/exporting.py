"""From a version to another runtime of it, which is refused if it loses too much."""

import hashlib
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import torch

from app.errors import ArtifactRefused, StartupRefused
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.inference.portable.aoti import cpu_kind, write_aoti
from app.inference.portable.torchscript import write_torchscript
from app.registry.exports.adding import add_export
from app.registry.exports.held_out import HeldOut, held_out_of
from app.registry.exports.kinds import KINDS, MAX_AUC_LOSS, ExportedRuntime, export_name
from app.registry.exports.loading import open_export
from app.registry.exports.quality import compare
from app.registry.exports.stored_file import write_stored
from app.registry.golden import largest_difference
from app.registry.manifest import Export
from app.registry.model_store import Artifact, ModelStore
from app.registry.trained_model import trained_model

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an export may lose."""

    auc_loss: float = MAX_AUC_LOSS
    ctr_difference: float | None = None  # None: what is usual for its kind


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Which runtime, for which device, and measured on what."""

    runtime: ExportedRuntime
    device: torch.device = CPU
    bounds: Bounds = Bounds()
    held_out: HeldOut | None = None  # None: what the version keeps


def export_version(
    store: ModelStore,
    artifact: Artifact,
    options: ExportOptions,
    on_users: Callable[[int], None] = lambda users: None,
) -> Export:
    """Makes it, measures it and adds it to the version.

    Raises ArtifactRefused for one that loses too much, or StartupRefused for one that cannot be
    made here.
    """
    name = export_name(options.runtime, options.device.type)
    with _staging(artifact.folder) as staging:
        file = staging / Path(KINDS[name].file).name
        _write(artifact, options, file)
        export = _measured(artifact, options, file, on_users)
        _refuse_losses(artifact, options, export)
        add_export(store, artifact.manifest, name, export, file)
    return export


def _write(artifact: Artifact, options: ExportOptions, file: Path) -> None:
    runtime, schema = options.runtime, artifact.manifest.features
    if runtime == "int8" or runtime == "bf16":  # noqa: PLR1714 - mypy narrows no other way
        write_stored(artifact, runtime, file)
        return
    model = trained_model(artifact)
    if runtime == "torchscript":
        write_torchscript(model, schema, file)
    else:
        write_aoti(model, schema, options.device, file)


def _measured(
    artifact: Artifact, options: ExportOptions, file: Path, on_users: Callable[[int], None]
) -> Export:
    manifest = artifact.manifest
    runtime = open_export(artifact, options.runtime, file, options.device)
    encoder = Encoder(manifest.features, artifact.vocabularies)
    calibration = manifest.calibration
    golden = largest_difference(artifact.golden, encoder, runtime.score, calibration)
    if math.isnan(golden):
        raise ArtifactRefused(f"{artifact.reference}: {options.runtime} gives no numbers")
    held_out = options.held_out or held_out_of(artifact)
    model = Engine(trained_model(artifact), CPU).score
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    belongs_to_torch = options.runtime in ("torchscript", "aoti")
    name = export_name(options.runtime, options.device.type)
    return Export(
        file=KINDS[name].file,
        sha256=sha256,
        size=file.stat().st_size,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        torch_version=torch.__version__ if belongs_to_torch else None,
        cpu=cpu_kind() if name == "aoti-cpu" else None,
        golden_ctr_difference=golden,
        held_out=(
            None
            if held_out is None
            else compare(runtime.score, model, held_out, calibration, on_users)
        ),
    )


def _refuse_losses(artifact: Artifact, options: ExportOptions, export: Export) -> None:
    name = export_name(options.runtime, options.device.type)
    most = options.bounds.ctr_difference
    if most is None:
        most = KINDS[name].max_ctr_difference
    measured = export.held_out
    largest = max(export.golden_ctr_difference, measured.max_ctr_difference if measured else 0.0)
    if not largest <= most:
        raise ArtifactRefused(
            f"{artifact.reference}: {name} moves a CTR by {largest:.2g}, and {most:.2g} is allowed"
        )
    if measured is not None and not -measured.auc_change <= options.bounds.auc_loss:
        raise ArtifactRefused(
            f"{artifact.reference}: {name} loses {-measured.auc_change:.2g} of AUC, and "
            f"{options.bounds.auc_loss:.2g} is allowed"
        )


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Beside the version's files, so that an export is moved by its name alone."""
    try:
        staging = Path(mkdtemp(prefix=".exporting-", dir=folder))
    except OSError as error:
        raise StartupRefused(f"{folder} cannot be written to: {error.strerror}") from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
