"""Copies of a model store's files on this machine: whole or not there, and not too many of them."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp


@dataclass(frozen=True, slots=True)
class CopyPlace:
    """Where a process keeps copies, and how many bytes of them for each model store."""

    folder: Path | None  # None: one of this process alone
    max_bytes: int


class Copies:
    """`<root>/<name>/<version>/…`, as in the model store; several processes may share them.

    Deleting one harms nobody: what a process has mapped stays on the disk until it ends.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes

    def use(self, folder: Path) -> None:
        """This version is the last to make room for others from now on. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)

    def make_room(
        self, more_bytes: int, *, beside: Path, active: Callable[[], Collection[Path]]
    ) -> None:
        """Deletes versions `beside` this one until so many more bytes fit, if they can.

        Those that were used long ago go first. `active` are the last to go, since the next start
        needs them; it is asked only if something has to go.
        """
        bytes_of = {folder: _bytes_of(folder) for folder in self._versions()}
        excess = sum(bytes_of.values()) + more_bytes - self._max_bytes
        if excess <= 0:
            return
        last = active()
        others = bytes_of.keys() - {beside}
        for folder in sorted(others, key=lambda folder: (folder in last, _used_ns(folder))):
            if excess > 0:
                shutil.rmtree(folder, ignore_errors=True)
                excess -= bytes_of[folder]

    def _versions(self) -> list[Path]:
        return [path for path in self._root.glob("*/*") if path.is_dir()]


@contextmanager
def part_of(copy: Path) -> Iterator[Path]:
    """What becomes the copy once it is whole; processes that copy the same have one each."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = mkstemp(prefix=f".{copy.name}-", dir=copy.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


def _bytes_of(folder: Path) -> int:
    """Of what is still there: other processes delete, too."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _used_ns(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime_ns
    return 0
