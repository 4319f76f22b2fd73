"""How large the requests were that were recorded last: sizes are counted, features are not kept."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from app.recording.record_files import files_in

READ_BYTES = 2**22  # of the newest records: hundreds of requests of a hundred candidates
MOST_SHAPES = 4


class Shape(NamedTuple):
    """Of one request."""

    candidates: int
    behaviors: int

    @property
    def pairs(self) -> int:
        return self.candidates * (1 + self.behaviors)


def recent_shapes(folder: Path, model: str) -> list[Shape]:
    """The largest of each of the most frequent kinds of requests, and the largest of all.

    Requests are of a kind that have about as many candidates and behaviors, within a factor of two:
    hardly any two are of the same shape. Empty where nothing is recorded or can be read.
    """
    kinds: dict[tuple[int, int], list[Shape]] = defaultdict(list)
    with suppress(OSError):  # a file may just have made room for a new one
        for shape in _shapes(folder, model):
            kinds[shape.candidates.bit_length(), shape.behaviors.bit_length()].append(shape)
    if not kinds:
        return []
    by_count = sorted(kinds.values(), key=len, reverse=True)
    largest = [max(shapes, key=lambda shape: shape.pairs) for shapes in by_count]
    of_all = max(largest, key=lambda shape: shape.pairs)
    return list(dict.fromkeys([of_all, *largest]))[:MOST_SHAPES]


def _shapes(folder: Path, model: str) -> Iterator[Shape]:
    """What is no record of this model is left out."""
    for line in _newest_lines(folder):
        with suppress(ValueError, KeyError, TypeError):
            record = orjson.loads(line)
            if record["model"] == model:
                yield Shape(len(record["logits"]), len(record["timestamps"]))


def _newest_lines(folder: Path) -> Iterator[bytes]:
    """Whole lines alone: the first that is read and the last may be cut off."""
    left = READ_BYTES
    for path in reversed(files_in(folder)):
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - left)
            file.seek(start)
            content = file.read(left)
        yield from content.split(b"\n")[1 if start else 0 : -1]
        left -= len(content)
        if left <= 0:
            return
