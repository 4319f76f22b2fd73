"""Which row of an embedding table an id has: sorted keys to search, raw ids to explain with."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.core.batch import Rows
from app.core.keys import Keys, keys_of
from app.core.schema import FIRST_ID_ROW, OOV_ROW

TENSORS = {"keys": np.uint64, "id_ends": np.int64, "id_bytes": np.uint8}


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
        np.minimum(found, len(self.keys_V) - 1, out=found)
        unknown = self.keys_V[found] != keys_N
        found += FIRST_ID_ROW
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
    def from_bytes(cls, content: bytes) -> "Vocabulary":
        """Raises ValueError unless the content is a well-formed vocabulary."""
        try:
            tensors = load(content)
        except (SafetensorError, KeyError) as error:  # KeyError: a type that numpy does not have
            raise ValueError(f"not a vocabulary: {error}") from error
        if {name: tensor.dtype for name, tensor in tensors.items()} != TENSORS:
            raise ValueError(f"not a vocabulary: it needs {sorted(TENSORS)}")
        vocabulary = cls(tensors["keys"], tensors["id_ends"], tensors["id_bytes"])
        if not vocabulary._is_well_formed():
            raise ValueError("not a vocabulary: its keys or ids are out of order")
        return vocabulary

    def _is_well_formed(self) -> bool:
        keys, ends, text = self.keys_V, self.id_ends_V, self.id_bytes
        return (
            keys.ndim == text.ndim == 1
            and keys.shape == ends.shape
            and bool((keys[1:] > keys[:-1]).all())
            and bool((np.diff(ends, prepend=0) > 0).all())
            and (ends[-1] if len(ends) else 0) == len(text)
            and _is_text(text, ends)
        )


def _is_text(id_bytes: NDArray[np.uint8], id_ends_V: NDArray[np.int64]) -> bool:
    """Whether every id is UTF-8: all of them together are, and none ends within a character."""
    try:
        id_bytes.tobytes().decode()
    except UnicodeDecodeError:
        return False
    first_bytes = id_bytes[id_ends_V[:-1]]
    return bool((first_bytes & 0b1100_0000 != 0b1000_0000).all())
