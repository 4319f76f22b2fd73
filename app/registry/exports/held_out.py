"""Samples that a model was not trained on, kept with it: what another runtime loses shows there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from app.core.batch import Floats, RaggedBatch, Rows
from app.core.schema import FeatureSchema
from app.core.tensor_file import TensorFile
from app.errors import ArtifactRefused
from app.registry.model_store import HELD_OUT, Artifact

# U users, N behaviors, C candidates

USERS_PER_BATCH = 64

_NAMES = RaggedBatch.__struct_fields__


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
    entry = artifact.manifest.files.get(HELD_OUT)
    if entry is None:
        return None
    path = artifact.path_of(HELD_OUT, entry)
    try:
        held_out = HeldOut.open(path)
        _check(held_out, artifact.manifest.features)
    except ValueError as error:
        raise ArtifactRefused(f"{path}: {error}") from error
    return held_out


def _check(held_out: HeldOut, schema: FeatureSchema) -> None:
    """Nothing behind this asks whether a table has a row. Raises ValueError."""
    batch, candidates = held_out.batch, len(held_out.labels_C)
    users, behaviors = len(batch.lengths_U), int(batch.lengths_U.sum())
    tables = (
        (batch.behaviors_NF, behaviors, schema.behavior_fields),
        (batch.user_sparse_US, users, schema.user_sparse_fields),
        (batch.candidates_CF, candidates, schema.behavior_fields),
        (batch.candidate_sparse_CS, candidates, schema.candidate_sparse_fields),
    )
    numbers = (
        (batch.behavior_seconds_N, np.int64, (behaviors,)),
        (batch.user_dense_UD, np.float32, (users, len(schema.user_dense_fields))),
        (batch.candidate_dense_CD, np.float32, (candidates, len(schema.candidate_dense_fields))),
    )
    user_of_C = batch.user_of_C
    fits = (
        _are_below(batch.lengths_U, (users,), schema.max_behaviors + 1)
        and _are_below(user_of_C, (candidates,), users)
        and bool((user_of_C[1:] >= user_of_C[:-1]).all())
        and all(
            _are_below(rows, (count, len(fields_F)), [field.rows for field in fields_F])
            for rows, count, fields_F in tables
        )
        and all(
            values.dtype == np.dtype(kind) and values.shape == shape
            for values, kind, shape in numbers
        )
    )
    if not fits:
        raise ValueError("not held-out samples of this version: they do not fit its tables")


def _are_below(rows: Rows, shape: tuple[int, ...], limit: int | list[int]) -> bool:
    is_in = (rows >= 0) & (rows < np.array(limit)) if rows.shape == shape else np.zeros(1)
    return rows.dtype == np.int64 and bool(is_in.all())


def _narrow(values: np.ndarray) -> np.ndarray:
    fits = values.dtype == np.int64 and values.max(initial=0) < 2**31
    return np.ascontiguousarray(values, np.int32 if fits else values.dtype)


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64) if values.dtype == np.int32 else values
