"""The folder that samples come in: one file for each split, refused where it teaches nothing."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import StartupRefused
from app.training.samples import Samples, read_samples
from app.training.side_fields import DeclaredField


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """With train.tsv, valid.tsv and test.tsv."""

    path: Path
    limit_rows: int | None = None  # of each split, for a quick try

    def read(self, split: str, fields: Sequence[DeclaredField]) -> Samples:
        """Raises StartupRefused for a file that cannot be used, or whose labels are all alike."""
        path = self._file(split)
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
        files = map(self._file, splits)
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def _file(self, split: str) -> Path:
        return self.path / f"{split}.tsv"
