"""Where answers go: a file that appears whole or not at all, or standard output."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from app.errors import StartupRefused, one_line

Write = Callable[[bytes], None]  # one answer as JSON, without a line end


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path to write to; what is there in the end gets the name `path`, if nothing failed.

    Raises StartupRefused where there can be no such file, or the disk is full.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.touch()
    except OSError as error:
        raise not_written(path, error) from None
    try:
        yield aside
        aside.replace(path)
    except OSError as error:  # whatever else is read or asked meanwhile has errors of its own
        raise not_written(path, error) from None
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def standard_output() -> Iterator[Write]:
    """A line per answer, as soon as it is there. Raises StartupRefused."""
    try:
        yield lambda answer: write_line(sys.stdout.buffer, answer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # whoever reads has enough
    except OSError as error:
        # Python would write what is left once more when it ends, and fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise not_written("standard output", error) from None


def not_written(place: Path | str, error: Exception) -> StartupRefused:
    """Why, in one line."""
    reason = getattr(error, "strerror", None) or error
    return StartupRefused(f"{place} cannot be written: {one_line(reason)}")


class BinaryFile(Protocol):
    """Of all that a file can do, what answers need."""

    def write(self, content: bytes, /) -> object: ...


def write_line(file: BinaryFile, answer: bytes) -> None:
    file.write(answer)
    file.write(b"\n")
