"""A version with its embedding tables in fewer bits, as one file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file as map_tensors
from torch import Tensor

from app.core.tensor_file import PART_NUMBERS, Numbers, TensorFile
from app.core.tensor_writer import write_tensors
from app.models.factory import Model
from app.models.layers.stored_table import STORED_TABLES, StoredTable, TableFormat
from app.registry.model_store import WEIGHTS, Artifact
from app.registry.trained_model import empty_model, filled

_TYPE_NAMES: Mapping[torch.dtype, str] = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.int8: "I8",
    torch.int64: "I64",
}


def write_stored(artifact: Artifact, table_format: TableFormat, path: Path) -> None:
    """Everything of the model, its tables a part at a time; the rest as it is."""
    weights = TensorFile(artifact.path_of(WEIGHTS, artifact.manifest.files[WEIGHTS]))
    kind = STORED_TABLES[table_format]
    empty = empty_model(artifact, table_format).state_dict()
    layout = {
        name: (_TYPE_NAMES[tensor.dtype], tuple(tensor.shape)) for name, tensor in empty.items()
    }

    def parts_of(name: str) -> Iterator[Numbers]:
        if name in weights.entries:
            return weights.parts(name)
        table, _, buffer = name.rpartition(".")
        return _encoded(weights, f"{table}.weight", kind, buffer)

    write_tensors(path, layout, parts_of)


def read_stored_model(artifact: Artifact, table_format: TableFormat, path: Path) -> Model:
    """Ready to score, its tables mapped. Raises ArtifactRefused if the file does not fit."""
    return filled(artifact, empty_model(artifact, table_format), map_tensors(path), path)


def _encoded(weights: TensorFile, table: str, kind: StoredTable, buffer: str) -> Iterator[Numbers]:
    rows, width = weights.entries[table].shape
    rows_at_a_time = max(1, PART_NUMBERS // width)
    for start in range(0, rows, rows_at_a_time):
        stop = min(start + rows_at_a_time, rows)
        floats = weights.read(table, start * width, stop * width).reshape(-1, width)
        yield _bits(kind.encode(torch.from_numpy(floats))[buffer])


def _bits(values: Tensor) -> Numbers:
    """Numpy has no bfloat16."""
    if values.dtype == torch.bfloat16:
        bits: Numbers = values.view(torch.int16).numpy().view(np.uint16)
        return bits
    return values.numpy()
