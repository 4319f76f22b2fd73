"""One JSON object a line, plain or gzipped: rows to read, answers to write."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO

from app.api.parsing import parse_rank_body
from app.errors import StartupRefused
from app.scoring.answers import Write, write_line, written_aside
from app.scoring.rows import Advance, ParseRow

KIB = 1024
MAX_LINE_BYTES = 2**24  # some times what the service accepts as a body
GZIP_LEVEL = 6


class JsonLines:
    """Rows to read; a blank line is none."""

    place, unit = "line", "KiB"

    def __init__(self, path: Path) -> None:
        """Raises StartupRefused when there is no such file."""
        self.path = path
        try:
            self.total = path.stat().st_size // KIB
        except OSError as error:
            raise StartupRefused(f"{path} cannot be read: {error.strerror}") from None

    def rows(self, advance: Advance) -> Iterator[tuple[int, ParseRow]]:
        try:
            with self.path.open("rb") as file:
                told_kib = 0
                for number, line in self._numbered_lines(file):
                    if line.strip():
                        yield number, partial(parse_rank_body, line)
                    read_kib = file.tell() // KIB  # of the gzipped bytes, where they are
                    advance(read_kib - told_kib)
                    told_kib = read_kib
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise StartupRefused(f"{self.path} cannot be read: {reason}") from None

    def _numbered_lines(self, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        with gzip.open(file) if is_gzip(self.path) else nullcontext(file) as text:
            lines = iter(partial(text.readline, MAX_LINE_BYTES + 1), b"")
            for number, line in enumerate(lines, start=1):
                if len(line) > MAX_LINE_BYTES:
                    raise StartupRefused(
                        f"{self.path}, line {number}: longer than {MAX_LINE_BYTES:,} bytes"
                    )
                yield number, line


@contextmanager
def json_lines_to(path: Path) -> Iterator[Write]:
    """A file of answers that has its name once it is whole. Raises StartupRefused."""
    with written_aside(path) as aside, aside.open("wb") as file:
        # No time in the header: equal answers are equal bytes.
        gzipped = gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) if is_gzip(path) else None
        with gzipped or nullcontext(file) as lines:
            yield lambda answer: write_line(lines, answer)


def is_gzip(path: Path) -> bool:
    return path.suffix == ".gz"
