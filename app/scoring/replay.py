"""Recorded requests scored again: by the version that scored them, or by another one."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice

import numpy as np

from app.core.batch import Doubles, Floats, Rows
from app.core.calibration import Calibration, ctr_of
from app.core.schema import OOV_ROW
from app.errors import StartupRefused
from app.features.vocabulary import Vocabulary
from app.inference.runtime import Runtime
from app.recording.recorded_request import RecordedRequest
from app.registry.loaded_version import LoadedVersion
from app.registry.rollout.comparison import Comparison, group_of

AT_ONCE = 16  # requests
BITWISE = "fused"  # whose scores do not depend on who else is in a batch; sums of torch do
SAME_LOGITS = 1e-5  # what runtimes may differ by

VersionOf = Callable[[str, str], LoadedVersion]  # by the name and version of a record
VocabularyOf = Callable[[str, str], Vocabulary]  # of users, of the version in a record


@dataclass(slots=True)
class Reproduction:
    """How many scores came out as they had been."""

    requests: int = 0
    candidates: int = 0
    identical: int = 0  # requests, every bit of all scores
    broken: int = 0  # requests that should have been
    max_difference: float = 0.0  # of a logit
    runtimes: Counter[str] = field(default_factory=Counter)  # requests by what had scored them

    def add(self, record: RecordedRequest, logits_C: Floats, runtime: Runtime) -> None:
        """The same request, scored again by `runtime`."""
        before_C = record.scores()
        is_identical = np.array_equal(before_C, logits_C, equal_nan=True)
        scored_by = _runtime_label(record.runtime, record.runtime_detail)
        is_same = scored_by == _runtime_label(runtime.name, runtime.detail)
        self.requests += 1
        self.candidates += len(before_C)
        self.identical += is_identical
        self.broken += is_same and runtime.name == BITWISE and not is_identical
        self.runtimes[scored_by] += 1
        difference_C = np.abs(before_C - logits_C)[~(np.isnan(before_C) & np.isnan(logits_C))]
        largest = float(np.nan_to_num(difference_C, nan=np.inf).max(initial=0.0))
        self.max_difference = max(self.max_difference, largest)

    @property
    def is_exact(self) -> bool:
        """The same bits where the same code ran, the same scores elsewhere."""
        return not self.broken and self.max_difference <= SAME_LOGITS


@dataclass(slots=True)
class OfflineComparison:
    """Two versions on the same requests; what one of them has no number for is only counted."""

    comparison: Comparison = field(default_factory=Comparison)
    requests: int = 0
    not_numbers: int = 0  # requests
    max_ctr_difference: float = 0.0

    def add(self, user: str, old_ctr_C: Doubles, new_ctr_C: Doubles) -> None:
        """One request of a user, whoever that is."""
        self.requests += 1
        if not (np.isfinite(old_ctr_C).all() and np.isfinite(new_ctr_C).all()):
            self.not_numbers += 1
            return
        self.comparison.pairs.add(group_of(user), old_ctr_C, new_ctr_C)
        difference = float(np.abs(old_ctr_C - new_ctr_C).max())
        self.max_ctr_difference = max(self.max_ctr_difference, difference)


def reproduce(records: Iterable[RecordedRequest], version_of: VersionOf) -> Reproduction:
    """By the versions that had scored them, which `version_of` loads."""
    reproduction = Reproduction()
    for record, logits_C, version in _scored_again(records, version_of, _same_row):
        reproduction.add(record, logits_C, version.runtime)
    return reproduction


def compare(
    records: Iterable[RecordedRequest],
    version_of: VersionOf,
    vocabulary_of: VocabularyOf,
    calibration_of: Callable[[str, str], Calibration],
) -> OfflineComparison:
    """What was answered with what `version_of` says of the same requests.

    vocabulary_of, calibration_of: of the versions in the records.
    """

    def row_in(version: LoadedVersion, record: RecordedRequest) -> int:
        vocabulary = vocabulary_of(record.model, record.version)
        return _translated(_row_of(record, vocabulary), vocabulary, version)

    offline = OfflineComparison()
    for record, logits_C, version in _scored_again(records, version_of, row_in):
        old_ctr_C = ctr_of(record.scores(), calibration_of(record.model, record.version))
        offline.add(record.user, old_ctr_C, ctr_of(logits_C, version.manifest.calibration))
    return offline


_RowIn = Callable[[LoadedVersion, RecordedRequest], int]


def _scored_again(
    records: Iterable[RecordedRequest], version_of: VersionOf, row_in: _RowIn
) -> Iterator[tuple[RecordedRequest, Floats, LoadedVersion]]:
    for name, same in groupby(records, key=lambda record: (record.model, record.version)):
        version = version_of(*name)
        while batch := list(islice(same, AT_ONCE)):
            for record, logits_C in zip(batch, _score(version, batch, row_in), strict=True):
                yield record, logits_C, version


def _score(
    version: LoadedVersion, records: Sequence[RecordedRequest], row_in: _RowIn
) -> Sequence[Floats]:
    batch = version.encoder.encode([record.job() for record in records]).batch
    if version.encoder.schema.user_id is not None:
        # Pseudonyms are in no vocabulary.
        batch.user_sparse_US[:, 0] = [row_in(version, record) for record in records]
    logits_C = version.runtime.score(batch).logits_C
    ends: Rows = np.cumsum([len(record.logits) for record in records])
    return np.split(logits_C, ends[:-1])


def _same_row(version: LoadedVersion, record: RecordedRequest) -> int:
    return _row_of(record, version.encoder.vocabularies["user_id"])


def _row_of(record: RecordedRequest, vocabulary: Vocabulary) -> int:
    """Nothing behind this asks whether a table has a row. Raises StartupRefused."""
    row = OOV_ROW if record.user_row is None else record.user_row
    if not 0 <= row < vocabulary.rows:
        raise StartupRefused(
            f"{record.model}@{record.version} has no row {row} of users: it is not the version "
            "that has scored these requests"
        )
    return row


def _translated(row: int, vocabulary: Vocabulary, version: LoadedVersion) -> int:
    """The same user's row in another version's table."""
    if row <= OOV_ROW:
        return OOV_ROW
    keys_1 = vocabulary.keys_V[row - OOV_ROW - 1 :][:1]
    return int(version.encoder.vocabularies["user_id"].rows_of(keys_1)[0])


def _runtime_label(name: str, detail: str | None) -> str:
    """The detail of the fused runtime is its instruction set, which decides how sums are made."""
    return f"{name} ({detail})" if name == BITWISE else name
