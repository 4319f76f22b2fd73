"""Which reader reads what: one entry for every format of `ctr-serve prepare` but its own log."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.errors import StartupRefused
from app.training.public_data.amazon import read_amazon
from app.training.public_data.dien_log import read_dien_log
from app.training.public_data.dien_samples import held_out_file, is_dien_samples
from app.training.public_data.events import PublicLog
from app.training.public_data.line_blocks import OnBytes, first_line
from app.training.public_data.movielens import read_movielens
from app.training.public_data.taobao import read_taobao

PublicFormat = Literal["amazon", "dien", "taobao", "movielens"]

METADATA = {
    "amazon": "the items' metadata, such as meta_Books.json.gz",
    "dien": "item-info, which goes with reviews-info; samples have six fields a line",
    "movielens": "movies.csv, movies.dat or u.item",
}


@dataclass(frozen=True, slots=True)
class PublicData:
    """The files of a public data set and what of them counts as a click."""

    format: PublicFormat
    path: Path
    metadata: Path | None = None
    behaviors: Sequence[str] = ("pv",)  # of Taobao
    min_rating: float = 4.0  # of MovieLens

    def __post_init__(self) -> None:
        """Raises StartupRefused for a pickled vocabulary, which would run what is in it."""
        for path in (self.path, self.metadata):
            if path is not None and path.suffix == ".pkl":
                raise StartupRefused(
                    f"{path} is a pickle, and pickles are never loaded: give "
                    "local_train_splitByUser, training makes its own vocabularies"
                )

    def has_samples(self) -> bool:
        """Labeled samples, with nothing left to draw. Raises StartupRefused for no such file."""
        return self.format == "dien" and is_dien_samples(first_line(self.path))

    def bytes_to_read(self) -> int:
        """For the progress bar."""
        files = [self.path, *([self.metadata] if self.metadata else [])]
        if self.has_samples():
            files = [self.path, self.path, held_out_file(self.path)]
        return sum(path.stat().st_size for path in files if path.is_file())


def read_public_log(data: PublicData, on_bytes: OnBytes) -> PublicLog:
    """Raises StartupRefused with one line that names the file and the line or row."""
    match data.format:
        case "taobao":
            return read_taobao(data.path, data.behaviors, on_bytes)
        case "movielens":
            return read_movielens(data.path, _metadata(data), data.min_rating, on_bytes)
        case "dien":
            return read_dien_log(data.path, _metadata(data), on_bytes)
        case "amazon":
            return read_amazon(data.path, _metadata(data), on_bytes)


def _metadata(data: PublicData) -> Path:
    if data.metadata is None:
        raise StartupRefused(f"--format {data.format} needs --metadata: {METADATA[data.format]}")
    return data.metadata
