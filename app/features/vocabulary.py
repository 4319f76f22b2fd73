"""Which row of an embedding table an id has: sorted keys to search, raw ids to explain with."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save

from app.core.batch import Rows
from app.core.keys import Keys, keys_of
from app.core.schema import FIRST_ID_ROW, OOV_ROW
from app.core.tensor_file import TensorFile

# Few enough that whoever loads beside requests soon lets them go on: decoding a million ids keeps
# Python's lock for 10 ms.
IDS_AT_A_TIME = 2**14

_FIRST_ID_ROW = np.array(FIRST_ID_ROW)  # of a number, each sum makes an array
TYPES = {"keys": "U64", "id_ends": "I64", "id_bytes": "U8"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The V known ids of one field; id i of the sorted keys has row i + FIRST_ID_ROW."""

    keys_V: Keys
    id_ends_V: NDArray[np.int64]  # where each raw id ends in `id_bytes`
    id_bytes: NDArray[np.uint8]

    @classmethod
    def of(cls, raw_ids: Iterable[str]) -> "Vocabulary":
        """An empty id is a missing value, never known. Raises ValueError if two ids collide."""
        distinct = sorted({raw_id for raw_id in raw_ids if raw_id})
        keys = keys_of(distinct)
        order = np.argsort(keys)
        if len(keys) > 1 and (np.diff(keys[order]) == 0).any():
            raise ValueError("two ids have the same xxh3-64 key; rename one of them")
        encoded = [distinct[index].encode() for index in order]
        ends = np.cumsum([len(raw_id) for raw_id in encoded], dtype=np.int64)
        return cls(keys[order], ends, np.frombuffer(b"".join(encoded), np.uint8))

    @property
    def rows(self) -> int:
        """Rows of the embedding table: padding, OOV and the known ids."""
        return FIRST_ID_ROW + len(self.keys_V)

    def rows_of(self, keys_N: Keys) -> Rows:
        """[N] table rows; OOV_ROW for keys that are not known."""
        if len(self.keys_V) == 0:
            return np.full(len(keys_N), OOV_ROW, np.int64)
        found = self.keys_V.searchsorted(keys_N)
        unknown = self.keys_V.take(found, mode="clip") != keys_N
        found += _FIRST_ID_ROW
        if np.count_nonzero(unknown):
            found[unknown] = OOV_ROW
        return found

    def raw_id(self, key: int) -> str | None:
        """The id behind a key, if it is known."""
        index = int(np.searchsorted(self.keys_V, np.uint64(key)))
        if index == len(self.keys_V) or self.keys_V[index] != key:
            return None
        start = int(self.id_ends_V[index - 1]) if index else 0
        return self.id_bytes[start : int(self.id_ends_V[index])].tobytes().decode()

    def keeping(self, kept_V: NDArray[np.bool_]) -> "Vocabulary":
        """Only those ids, in their order."""
        lengths_V = np.diff(self.id_ends_V, prepend=0)
        return Vocabulary(
            self.keys_V[kept_V],
            np.cumsum(lengths_V[kept_V], dtype=np.int64),
            self.id_bytes[np.repeat(kept_V, lengths_V)],
        )

    def to_bytes(self) -> bytes:
        return save({"keys": self.keys_V, "id_ends": self.id_ends_V, "id_bytes": self.id_bytes})

    @classmethod
    def open(cls, path: Path, *, ids_at_a_time: int = IDS_AT_A_TIME) -> "Vocabulary":
        """One whose raw ids stay in the file until they are looked at.

        Keys are read into memory: they are searched on the event loop, which must not wait for a
        disk. Raises ValueError unless it is a well-formed vocabulary, or OSError.
        """
        try:
            file = TensorFile(path)
        except SafetensorError as error:
            raise ValueError(f"not a vocabulary: {error}") from error
        if {name: entry.type_name for name, entry in file.entries.items()} != TYPES:
            raise ValueError(f"not a vocabulary: it needs {sorted(TYPES)}")
        if not _is_well_formed(file, ids_at_a_time):
            raise ValueError("not a vocabulary: its keys or ids are out of order")
        keys_V = file.read("keys", 0, file.entries["keys"].size)
        return cls(keys_V, file.mapped("id_ends"), file.mapped("id_bytes"))


def _is_well_formed(file: TensorFile, ids_at_a_time: int) -> bool:
    """Whether keys and ids are in order and every id is text; no more in memory at a time."""
    keys, ends, text = (file.entries[name].shape for name in TYPES)
    if len(keys) != 1 or keys != ends or len(text) != 1:
        return False
    last_key, end = -1, 0
    for start in range(0, keys[0], ids_at_a_time):
        stop = min(start + ids_at_a_time, keys[0])
        keys_P, ends_P = file.read("keys", start, stop), file.read("id_ends", start, stop)
        if not _rises(keys_P, last_key) or not _rises(ends_P, end) or ends_P[-1] > text[0]:
            return False
        if not _is_text(file.read("id_bytes", end, int(ends_P[-1])), ends_P[:-1] - end):
            return False
        last_key, end = int(keys_P[-1]), int(ends_P[-1])
    return end == text[0]


def _rises(numbers_P: NDArray[np.integer], before: int) -> bool:
    return int(numbers_P[0]) > before and bool((numbers_P[1:] > numbers_P[:-1]).all())


def _is_text(id_bytes: NDArray[np.uint8], inner_ends: NDArray[np.int64]) -> bool:
    """Whether every id is UTF-8: all of them together are, and none ends within a character."""
    try:
        id_bytes.tobytes().decode()
    except UnicodeDecodeError:
        return False
    first_bytes = id_bytes[inner_ends]
    return bool((first_bytes & 0b1100_0000 != 0b1000_0000).all())
