"""A folder of recorded requests that never takes more than its share of the disk."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from app.errors import StartupRefused
from app.recording.recorded_request import RecordedRequest

FILES = 8  # that the space is divided into: so much of it is free again when the oldest goes
PATTERN = "requests-*.jsonl"


class RecordFiles:
    """Appends lines; the oldest file makes room for a new one. For one thread."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_file_bytes = max(1, max_bytes // FILES)
        self._descriptor: int | None = None
        self._other_bytes = 0
        self._file_bytes = 0
        self._opened = 0

    @property
    def folder_bytes(self) -> int:
        """Of all files in the folder, once a line was appended."""
        return self._other_bytes + self._file_bytes

    def make_folder(self) -> None:
        """Raises OSError where it cannot be had, or takes no files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES), str(self.folder))

    def append(self, line: bytes) -> None:
        """All of it, or OSError; after an error the next line begins a new file."""
        if self._descriptor is None or self._file_bytes + len(line) > self._max_file_bytes:
            self._begin_file()
        try:
            written = os.write(self._open_descriptor(), line)
        except OSError:
            self.close()
            raise
        self._file_bytes += written
        if written < len(line):  # which is how a disk becomes full
            self.close()
            raise OSError("a part of the line did not fit")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "RecordFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin_file(self) -> None:
        self.close()
        self.make_folder()
        for oldest in files_in(self.folder)[: -(FILES - 1)]:
            oldest.unlink()
        self._other_bytes = sum(path.stat().st_size for path in files_in(self.folder))
        began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self._opened += 1
        # A name of its own even for two processes in the same microsecond.
        path = self.folder / f"requests-{began}-{os.getpid()}-{self._opened}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._descriptor = os.open(path, flags, 0o600)  # they are about users
        self._file_bytes = 0

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise OSError("no file is open")
        return self._descriptor


def files_in(folder: Path) -> list[Path]:
    """The oldest first."""
    return sorted(folder.glob(PATTERN))


def read_records(folder: Path) -> Iterator[RecordedRequest]:
    """In the order that they were written in; what was cut off at the end of a file is left out.

    Raises StartupRefused for a folder without records and for a line that is not one.
    """
    files = files_in(folder)
    if not files:
        raise StartupRefused(f"{folder} has no recorded requests ({PATTERN})")
    for path in files:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.endswith(b"\n"):
                    yield _parsed(line, f"{path}:{number}")


def _parsed(line: bytes, where: str) -> RecordedRequest:
    try:
        return RecordedRequest.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise StartupRefused(f"{where}: not a recorded request: {field} {first['msg']}") from None
