"""The folder that samples come in: one file for each split, refused where it teaches nothing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import StartupRefused
from app.training.sample_files import sample_file
from app.training.samples import Samples, read_samples
from app.training.side_fields import DeclaredField


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """With train, valid and test as .parquet or .tsv."""

    path: Path
    limit_rows: int | None = None  # of each split, for a quick try

    def read(self, split: str, fields: Sequence[DeclaredField]) -> Samples:
        """Raises StartupRefused for a file that cannot be used, or whose labels are all alike."""
        path = self.file(split)
        samples = read_samples(path, fields, limit_rows=self.limit_rows)
        clicks = int(samples.labels_C.sum())
        if clicks in (0, len(samples)):
            raise StartupRefused(
                f"{path}: all labels are {min(clicks, 1)}; clicks (1) and others (0) are both "
                "needed"
            )
        return samples

    @property
    def limits(self) -> dict[str, int]:
        """What the manifest says if not all rows were used."""
        return {} if self.limit_rows is None else {"limit_rows": self.limit_rows}

    def digests(self, splits: Iterable[str]) -> dict[str, str]:
        """The sha256 of each split's file, by its name."""
        files = map(self.file, splits)
        return {file.name: _sha256(file) for file in files}

    def file(self, split: str) -> Path:
        return sample_file(self.path, split)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
