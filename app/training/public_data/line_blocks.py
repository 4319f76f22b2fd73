"""Text files of any size in blocks of whole lines; .gz files too."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

import polars as pl

from app.errors import StartupRefused
from app.training.public_data.places import Places

BLOCK_BYTES = 16 * 2**20  # of text; what is in memory beside what a reader keeps of it

OnBytes = Callable[[int], None]  # is told how many more bytes of the file have been read


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Consecutive lines of a file without the empty ones."""

    lines: pl.Series  # named as a refusal says it: it is '...'
    places: Places


def read_blocks(
    path: Path,
    on_bytes: OnBytes,
    *,
    encoding: str = "utf-8",
    header_lines: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[LineBlock]:
    """Raises StartupRefused for what cannot be read or is not text."""
    first = 1
    with _readable(path), path.open("rb") as raw:
        told, opened = 0, _opened(path, raw)
        for _ in range(header_lines):
            opened.readline()
            first += 1
        while encoded := opened.readlines(block_bytes):
            yield _block(path, encoded, first, encoding)
            first += len(encoded)
            on_bytes(raw.tell() - told)
            told = raw.tell()


def first_line(path: Path, *, encoding: str = "utf-8") -> str:
    """Raises StartupRefused for what cannot be read or is not text, or has no first line."""
    with _readable(path), path.open("rb") as raw:
        encoded = _opened(path, raw).readline()
    lines = _block(path, [encoded], 1, encoding).lines
    if lines.is_empty():
        raise StartupRefused(f"{path} is empty, or its first line is")
    return str(lines[0])


def split_fields(block: LineBlock, separator: str, names: Sequence[str]) -> pl.DataFrame:
    """One column of text per name. Raises StartupRefused for a line with fewer or more fields."""
    parts = block.lines.str.split_exact(separator, len(names)).struct.unnest()
    fields, surplus = parts[:, :-1], parts[:, -1]
    fields.columns = list(names)
    bad = fields[names[-1]].is_null() | surplus.is_not_null()
    wanted = f"{len(names)} fields separated by {separator!r} are needed: {' '.join(names)}"
    block.places.refuse_where(bad, block.lines, wanted)
    return fields


def _block(path: Path, encoded: list[bytes], first: int, encoding: str) -> LineBlock:
    joined = b"".join(encoded)
    try:
        text = joined.decode(encoding)
    except UnicodeDecodeError as error:
        number = first + joined.count(b"\n", 0, error.start)
        raise StartupRefused(f"{path}, line {number}: it is not {encoding} text") from None
    # Not splitlines, which also ends lines at characters that occur inside of titles.
    lines = pl.Series("it", text.removesuffix("\n").split("\n"), dtype=pl.String)
    lines = lines.str.strip_chars_end("\r")
    numbers = pl.int_range(first, first + len(lines), eager=True)
    is_there = lines.str.strip_chars(" ") != ""
    return LineBlock(lines.filter(is_there), Places(path, numbers.filter(is_there)))


def _opened(path: Path, raw: BinaryIO) -> BufferedIOBase | BinaryIO:
    return gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise StartupRefused(f"{path} is not a file")
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise StartupRefused(f"{path} cannot be read: {error}") from error
