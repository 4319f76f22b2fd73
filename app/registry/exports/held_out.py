"""Samples that a model was not trained on, kept with it: what another runtime loses shows there."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from app.core.batch import Floats, RaggedBatch
from app.core.tensor_file import TensorFile
from app.errors import ArtifactRefused
from app.registry.model_store import HELD_OUT, Artifact

# U users, N behaviors, C candidates

USERS_PER_BATCH = 64

_NAMES = tuple(field.name for field in fields(RaggedBatch))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """As encoded for this version: table rows, not ids. Candidates lie user after user."""

    batch: RaggedBatch
    labels_C: Floats

    def to_bytes(self) -> bytes:
        """Rows of tables that have less than 2^31 of them take half of their size."""
        arrays = {name: _narrow(getattr(self.batch, name)) for name in _NAMES}
        return save({**arrays, "labels_C": self.labels_C})

    @classmethod
    def open(cls, path: Path) -> "HeldOut":
        """Raises ValueError for a file that has something else in it."""
        try:
            file = TensorFile(path)
            arrays = {name: file.mapped(name) for name in (*_NAMES, "labels_C")}
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"not held-out samples: {error}") from error
        labels_C = arrays.pop("labels_C")
        return cls(
            RaggedBatch(**{name: _wide(values) for name, values in arrays.items()}), labels_C
        )

    def batches(self) -> Iterator[RaggedBatch]:
        """In their order, some users at a time."""
        users = len(self.batch.lengths_U)
        for first in range(0, users, USERS_PER_BATCH):
            yield self._part(first, min(first + USERS_PER_BATCH, users))

    def _part(self, first: int, end: int) -> RaggedBatch:
        whole = self.batch
        behavior_ends = np.concatenate([[0], np.cumsum(whole.lengths_U)])
        behaviors = slice(behavior_ends[first], behavior_ends[end])
        candidates = slice(*np.searchsorted(whole.user_of_C, [first, end]).tolist())
        return RaggedBatch(
            lengths_U=whole.lengths_U[first:end],
            behaviors_NF=whole.behaviors_NF[behaviors],
            behavior_seconds_N=whole.behavior_seconds_N[behaviors],
            user_sparse_US=whole.user_sparse_US[first:end],
            user_dense_UD=whole.user_dense_UD[first:end],
            candidates_CF=whole.candidates_CF[candidates],
            candidate_sparse_CS=whole.candidate_sparse_CS[candidates],
            candidate_dense_CD=whole.candidate_dense_CD[candidates],
            user_of_C=whole.user_of_C[candidates] - first,
        )


def held_out_of(artifact: Artifact) -> HeldOut | None:
    """The samples that a version keeps; imported and older ones have none."""
    if HELD_OUT not in artifact.manifest.files:
        return None
    path = artifact.folder / HELD_OUT
    try:
        return HeldOut.open(path)
    except ValueError as error:
        raise ArtifactRefused(f"{path}: {error}") from error


def _narrow(values: np.ndarray) -> np.ndarray:
    fits = values.dtype == np.int64 and values.max(initial=0) < 2**31
    return np.ascontiguousarray(values, np.int32 if fits else values.dtype)


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64) if values.dtype == np.int32 else values
