"""The folder that samples come in: one file for each split, refused where it teaches nothing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.training.sample_files import sample_file
from app.training.sample_split import ReadingOptions, SampleSplit
from app.training.side_fields import DeclaredField

WHOLE = ReadingOptions()


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """With train, valid and test as .parquet or .tsv."""

    path: Path
    reading: ReadingOptions = WHOLE

    def split(self, name: str, fields: Sequence[DeclaredField]) -> SampleSplit:
        """Raises StartupRefused for a file that cannot be used, or whose labels are all alike."""
        return SampleSplit(self.file(name), fields, self.reading)

    @property
    def limits(self) -> dict[str, int]:
        """What the manifest says if not all rows were used, or not at a time."""
        limits = {
            "limit_rows": self.reading.limit_rows,
            "chunk_rows": self.reading.chunk_rows,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}

    def digests(self, splits: Iterable[str]) -> dict[str, str]:
        """The sha256 of each split's file, by its name."""
        files = map(self.file, splits)
        return {file.name: _sha256(file) for file in files}

    def file(self, split: str) -> Path:
        return sample_file(self.path, split)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
