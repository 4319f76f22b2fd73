"""What `ctr-serve prepare` does behind its progress bars, and what it says of the result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.progress import progress_bar
from app.errors import StartupRefused
from app.training.interactions import InteractionLog, LogColumns, read_interactions
from app.training.next_item import count_targets, write_next_item_samples
from app.training.public_data.dien_samples import write_dien_samples
from app.training.public_data.sources import PublicData, read_public_log
from app.training.sample_files import sample_file


@dataclass(frozen=True, slots=True)
class Sampling:
    """Where the samples go and how they are drawn."""

    out_dir: Path
    seed: int
    max_history: int
    max_targets: int | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """How many rows each split has; of public data also what it is and what was counted in it."""

    rows: Mapping[str, int]
    source: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    are_pairs: bool = True  # a click beside an item that was not clicked

    def as_json(self) -> dict[str, object]:
        rows: dict[str, object] = {"rows": self.rows}
        return rows | ({"source": self.source, "counts": self.counts} if self.source else {})

    def lines(self, out_dir: Path) -> Iterator[str]:
        """For people to read."""
        if self.source:
            counted = (f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts.items())
            yield ": ".join(filter(None, (self.source, ", ".join(counted))))
        half = ", half of them clicks" if self.are_pairs else ""
        for split, count in self.rows.items():
            yield f"{sample_file(out_dir, split)}: {count:,} rows{half}"


def from_log(path: Path, columns: LogColumns, sampling: Sampling) -> Prepared:
    """Raises StartupRefused with one line that names the file, the row and the column."""
    return Prepared(_next_item(read_interactions(path, columns), sampling))


def from_public_data(data: PublicData, sampling: Sampling) -> Prepared:
    """Raises StartupRefused with one line that names the file and the line or row."""
    if data.has_samples():
        return _from_dien_samples(data, sampling)
    with progress_bar("Reading bytes", data.bytes_to_read()) as advance:
        public = read_public_log(data, advance)
    return Prepared(_next_item(public.log, sampling), public.source, public.counts)


def _next_item(log: InteractionLog, sampling: Sampling) -> Mapping[str, int]:
    targets = count_targets(log, sampling.max_targets)
    with progress_bar("Writing samples", targets) as advance:
        return write_next_item_samples(
            log,
            sampling.out_dir,
            seed=sampling.seed,
            max_history=sampling.max_history,
            max_targets=sampling.max_targets,
            on_targets=advance,
        )


def _from_dien_samples(data: PublicData, sampling: Sampling) -> Prepared:
    if data.metadata is not None or sampling.max_targets is not None:
        raise StartupRefused(
            f"{data.path} has labeled samples with categories, which are all taken: "
            "leave out --metadata and --max-targets"
        )
    with progress_bar("Reading bytes", data.bytes_to_read()) as advance:
        rows = write_dien_samples(
            data.path,
            sampling.out_dir,
            seed=sampling.seed,
            max_history=sampling.max_history,
            on_bytes=advance,
        )
    return Prepared(rows, "DIEN samples", are_pairs=False)
