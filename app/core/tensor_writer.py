"""A safetensors file that is written a part at a time: it may be larger than memory."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path

from app.core.tensor_file import TYPES, Numbers

Layout = Mapping[str, tuple[str, tuple[int, ...]]]  # the type, as safetensors names it, and shape


def write_tensors(path: Path, layout: Layout, parts_of: Callable[[str], Iterable[Numbers]]) -> None:
    """Writes and syncs the arrays; their numbers come in any parts, in order.

    Raises ValueError if they are more or fewer than the layout says.
    """
    names = sorted(layout, key=lambda name: (-_item_bytes(layout, name), name))  # all are aligned
    with path.open("wb") as file:
        file.write(_header(layout, names))
        for name in names:
            written = 0
            for part in parts_of(name):
                written += file.write(part.astype(TYPES[layout[name][0]], copy=False).tobytes())
            if written != _bytes(layout, name):
                raise ValueError(f"{name} has {written} bytes, not {_bytes(layout, name)}")
        file.flush()
        os.fsync(file.fileno())


def _header(layout: Layout, names: Iterable[str]) -> bytes:
    entries, end = {}, 0
    for name in names:
        type_name, shape = layout[name]
        start, end = end, end + _bytes(layout, name)
        entries[name] = {"dtype": type_name, "shape": shape, "data_offsets": (start, end)}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header


def _bytes(layout: Layout, name: str) -> int:
    return prod(layout[name][1]) * _item_bytes(layout, name)


def _item_bytes(layout: Layout, name: str) -> int:
    return TYPES[layout[name][0]]().itemsize
