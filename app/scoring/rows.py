"""Rows of a file as requests: the bodies of `POST /v1/rank`, checked as the service checks them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.core.request import RankRequest
from app.errors import CtrError, StartupRefused, one_line

Advance = Callable[[int], None]  # told how much more of the file has been read
ParseRow = Callable[[], RankRequest]


@dataclass(frozen=True, slots=True)
class Row:
    """A request and where it stands in its file, counted from 1."""

    number: int
    request: RankRequest


class RowFile(Protocol):
    """A file whose rows are read one after another, however many there are."""

    path: Path
    place: str  # what a row is called there, such as "line"
    unit: str  # in which progress is told
    total: int  # of these units

    def rows(self, advance: Advance) -> Iterator[tuple[int, ParseRow]]:
        """Each row's number and how to parse it. Raises StartupRefused for an unreadable file."""
        ...


class RowReader:
    """Requests out of a file. A malformed row stops it, or is passed over and counted."""

    def __init__(self, file: RowFile, *, skip_malformed: bool = False) -> None:
        self._file = file
        self._skip_malformed = skip_malformed
        self.skipped = 0

    def read(self, advance: Advance) -> Iterator[Row]:
        """Raises StartupRefused naming file, row and field of a row that cannot be accepted."""
        for number, parse in self._file.rows(advance):
            try:
                request = parse()
            except CtrError as error:
                if not self._skip_malformed:
                    raise self._refusal(number, error) from None
                self.skipped += 1
            else:
                yield Row(number, request)

    def _refusal(self, number: int, error: CtrError) -> StartupRefused:
        reason = one_line(error.detail)  # a field may have a name of several lines
        return StartupRefused(f"{self._file.path}, {self._file.place} {number}: {reason}")
