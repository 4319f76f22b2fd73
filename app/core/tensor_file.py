"""Arrays of a safetensors file where they lie: mapped into memory, or read a part at a time."""

import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

PART_NUMBERS = 2**20  # read at a time, where a whole array might not fit into memory

Numbers = NDArray[Any]

# As safetensors names them; numpy has no bfloat16, so that its bits are what one gets.
TYPES: Mapping[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One array of the file."""

    type_name: str  # as safetensors names it
    shape: tuple[int, ...]
    offset: int  # bytes from the beginning of the file

    @property
    def size(self) -> int:
        return prod(self.shape)


class TensorFile:
    """What is mapped takes memory only where it is looked at, and gives it back under pressure."""

    def __init__(self, path: Path) -> None:
        """Raises SafetensorError unless the file is what its header says, or OSError."""
        with safe_open(path, framework="numpy"):
            pass  # it checks that the arrays fill the file, and do not overlap
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_bytes))
        header.pop("__metadata__", None)
        self.path = path
        self.entries: dict[str, Entry] = {
            name: Entry(
                entry["dtype"], tuple(entry["shape"]), 8 + header_bytes + entry["data_offsets"][0]
            )
            for name, entry in header.items()
        }

    def mapped(self, name: str) -> Numbers:
        """The whole array. Writing to it changes nobody else's, and not the file.

        A look at what is not in memory reads one page and not, as by default, those around it
        too, which takes ten times as long and keeps Python's lock.
        """
        entry = self.entries[name]
        number_type = TYPES[entry.type_name]
        if entry.size == 0:
            return np.empty(entry.shape, number_type)
        with self.path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        mapping.madvise(mmap.MADV_RANDOM)
        return np.frombuffer(mapping, number_type, entry.size, entry.offset).reshape(entry.shape)

    def read(self, name: str, start: int, stop: int) -> Numbers:
        """A copy of these numbers, counted as if the array had one dimension."""
        entry = self.entries[name]
        number_type = np.dtype(TYPES[entry.type_name])
        offset = entry.offset + start * number_type.itemsize
        return np.fromfile(self.path, number_type, stop - start, offset=offset)

    def parts(self, name: str, numbers: int = PART_NUMBERS) -> Iterator[Numbers]:
        """All of them, so many at a time, and never more in memory."""
        size = self.entries[name].size
        for start in range(0, size, numbers):
            yield self.read(name, start, min(start + numbers, size))
