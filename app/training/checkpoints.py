"""What a training run needs to go on after a kill: tensors in one file, the rest in another.

The record is written last and names its tensors by their digest: a kill at any moment leaves the
checkpoint before or the one after, never half of one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from app.errors import StartupRefused
from app.registry.durable_files import sync_folder, write_synced
from app.training.early_stopping import StoppingState
from app.training.epochs import EpochsState
from app.training.output_folder import make_folder
from app.training.progress import EpochReport

RECORD = "checkpoint.json"

# What a run was told, by name: a checkpoint belongs to runs that were told the same.
Identity = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run between two epochs."""

    epochs: EpochsState
    stopping: StoppingState
    reports: tuple[EpochReport, ...]


class CheckpointRecord(BaseModel):
    """Everything of a checkpoint that is no tensor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    run: dict[str, str | int | float | bool]
    tensors_sha256: str
    averaged_steps: int
    schedule: dict[str, Any]
    generator: dict[str, Any]
    best_score: float
    epochs_since_best: int
    reports: tuple[EpochReport, ...]


class Checkpoints:
    """The newest checkpoint of one run, in a folder of its own."""

    def __init__(self, folder: Path, run: Identity) -> None:
        """Raises StartupRefused for what cannot be a folder."""
        self._folder = folder
        self._run = dict(run)
        make_folder(folder)

    def save(self, checkpoint: Checkpoint) -> None:
        """In the place of the one before."""
        content = save_tensors(_packed(checkpoint))
        digest = hashlib.sha256(content).hexdigest()
        write_synced(self._tensors(digest), content)
        epochs = checkpoint.epochs
        record = CheckpointRecord(
            run=self._run,
            tensors_sha256=digest,
            averaged_steps=epochs.averaged_steps,
            schedule=dict(epochs.schedule),
            generator=dict(epochs.generator),
            best_score=checkpoint.stopping.best_score,
            epochs_since_best=checkpoint.stopping.epochs_since_best,
            reports=checkpoint.reports,
        )
        aside = self._folder / f".{RECORD}.part"
        write_synced(aside, record.model_dump_json(indent=1).encode())
        aside.replace(self._folder / RECORD)
        sync_folder(self._folder)
        for old in set(self._folder.glob("*.safetensors")) - {self._tensors(digest)}:
            old.unlink()

    def newest(self) -> Checkpoint | None:
        """Raises StartupRefused for one that is damaged, or of another run."""
        path = self._folder / RECORD
        if not path.exists():
            return None
        try:
            record = CheckpointRecord.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise self._damaged(f"{RECORD} is no checkpoint") from error
        self._check_run(record.run)
        return _unpacked(record, self._read(record.tensors_sha256))

    def _check_run(self, other: Identity) -> None:
        for name in sorted(self._run.keys() | other.keys()):
            own, others = self._run.get(name), other.get(name)
            if own != others:
                raise StartupRefused(
                    f"{self._folder} has the checkpoint of another run, whose {name} is {others} "
                    f"and not {own}: choose another folder, or delete it"
                )

    def _read(self, digest: str) -> dict[str, Tensor]:
        try:
            content = self._tensors(digest).read_bytes()
        except OSError as error:
            raise self._damaged(f"its tensors cannot be read ({error.strerror})") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise self._damaged("its tensors have another sha256 than they had")
        return load_tensors(content)

    def _tensors(self, digest: str) -> Path:
        return self._folder / f"{digest[:16]}.safetensors"

    def _damaged(self, reason: str) -> StartupRefused:
        return StartupRefused(f"the checkpoint in {self._folder} is damaged, {reason}: delete it")


def _packed(checkpoint: Checkpoint) -> dict[str, Tensor]:
    epochs = checkpoint.epochs
    parts = {
        "weights": epochs.weights,
        "averaged": epochs.averaged,
        "optimizer": epochs.optimizer,
        "best": checkpoint.stopping.best_weights,
    }
    return {
        f"{part}/{name}": tensor.contiguous()
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def _unpacked(record: CheckpointRecord, tensors: Mapping[str, Tensor]) -> Checkpoint:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return Checkpoint(
        EpochsState(
            weights=parts["weights"],
            averaged=parts["averaged"],
            averaged_steps=record.averaged_steps,
            optimizer=parts.get("optimizer", {}),
            schedule=record.schedule,
            generator=record.generator,
        ),
        StoppingState(record.best_score, parts["best"], record.epochs_since_best),
        record.reports,
    )
