"""Where answers go: a file that appears whole or not at all, or standard output."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from app.errors import StartupRefused

Write = Callable[[bytes], None]  # one answer as JSON, without a line end


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path to write to; what is there in the end gets the name `path`, if nothing failed.

    Raises StartupRefused where there can be no such file.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.touch()
    except OSError as error:
        raise StartupRefused(f"{path} cannot be written: {error.strerror}") from None
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def standard_output() -> Iterator[Write]:
    """A line per answer, as soon as it is there."""
    yield lambda answer: write_line(sys.stdout.buffer, answer)
    sys.stdout.buffer.flush()


class BinaryFile(Protocol):
    """Of all that a file can do, what answers need."""

    def write(self, content: bytes, /) -> object: ...


def write_line(file: BinaryFile, answer: bytes) -> None:
    file.write(answer)
    file.write(b"\n")
