"""File systems on which something does not work, or something else happens meanwhile."""

from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO
from urllib.parse import unquote

import fsspec


class ReadOnly:
    """A file system where nobody may write."""

    def __init__(self, files: fsspec.AbstractFileSystem) -> None:
        self._files = files

    def __getattr__(self, name: str) -> object:
        return getattr(self._files, name)

    def pipe_file(self, *_: object) -> None:
        raise PermissionError("read only")


class Interrupted(ReadOnly):
    """A file system where somebody else does something whenever a file is opened."""

    def __init__(self, files: fsspec.AbstractFileSystem, meanwhile: Callable[[], object]) -> None:
        super().__init__(files)
        self._meanwhile = meanwhile

    def open(self, path: str, mode: str) -> "Interrupting":
        content = self._files.open(path, mode).getvalue()
        return Interrupting(BytesIO(content), self._meanwhile)


class Interrupting:
    """A file of it, as it is read."""

    def __init__(self, file: BinaryIO, meanwhile: Callable[[], object]) -> None:
        self._file = file
        self._meanwhile = meanwhile

    def __enter__(self) -> "Interrupting":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, most: int) -> bytes:
        self._meanwhile()
        return self._file.read(most)


class Unlisted(ReadOnly):
    """A file system that says what is in a file, and not which files there are."""

    def glob(self, _: str) -> list[str]:
        raise OSError("gone")


class Unreachable(fsspec.AbstractFileSystem):
    """A file system that connects at once, as some do."""

    protocol = "unreachable"

    def __init__(self, **_: object) -> None:
        raise TimeoutError("nobody answers")


class Telling(fsspec.AbstractFileSystem):
    """A file system whose errors repeat what it was asked for."""

    protocol = "telling"

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, object]:
        raise ValueError(f"cannot read {path}, which is {unquote(path)}")
