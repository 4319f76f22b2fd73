"""The whole evaluation of one version on one split, as a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.registry.manifest import Split
from app.training.quality.bootstrap import Bootstrap, Measure
from app.training.quality.click_statistics import CLICK_METRICS, click_statistics
from app.training.quality.reliability import ReliabilityBin, ece_if_honest, reliability
from app.training.quality.scored_rows import ScoredRows
from app.training.quality.slices import (
    Circumstances,
    SliceRows,
    by_category,
    by_history_length,
    by_training_clicks,
    cold_start,
)
from app.training.quality.top_k import UserLists


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to measure and how finely."""

    ks: tuple[int, ...] = (1, 5, 10)
    bins: int = 15  # of the ECE and the reliability table, with about equally many rows
    bootstrap: Bootstrap = field(default_factory=Bootstrap)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which version was evaluated on which file."""

    name: str
    version: str
    architecture: Mapping[str, object]
    calibration: Mapping[str, object]
    torch_version: str
    weights_sha256: str
    split: Split
    samples_file: str
    samples_sha256: str
    samples_of_training: bool  # the file that the training run split off, byte for byte


@dataclass(frozen=True, slots=True)
class Slice:
    """The click metrics of some rows, which may be none."""

    name: str
    rows: int
    clicks: int
    users: int
    metrics: Mapping[str, Measure]  # by CLICK_METRICS


@dataclass(frozen=True, slots=True)
class TopK:
    """The k best candidates of every user."""

    k: int
    metrics: Mapping[str, Measure]  # by TOP_K_METRICS
    coverage: float
    longer_lists: float  # the share of users with more than k candidates


@dataclass(frozen=True, slots=True)
class Rung:
    """What a degraded answer was worth when the version was published, on the samples of then."""

    degraded: str
    behaviors: int
    auc: float
    logloss: float
    pcoc: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that a report shows; `slices` by what they are cut by."""

    identity: Identity
    options: EvaluationOptions
    whole: Slice
    uncalibrated: Slice | None  # what the model says itself, if a calibration corrects it
    ece_if_honest: float
    top_k: tuple[TopK, ...]
    reliability: tuple[ReliabilityBin, ...]
    slices: Mapping[str, tuple[Slice, ...]]
    cold_start: tuple[Slice, ...]
    ladder: tuple[Rung, ...] = ()


def evaluate_rows(
    identity: Identity,
    rows: ScoredRows,
    uncalibrated: ScoredRows | None,
    circumstances: Circumstances,
    options: EvaluationOptions,
) -> Evaluation:
    """Everything about at least one row."""
    slices = {
        "history_length": by_history_length(circumstances),
        "training_clicks": by_training_clicks(circumstances),
        "category": by_category(circumstances),
    }
    return Evaluation(
        identity=identity,
        options=options,
        whole=_slice("all", rows, options),
        uncalibrated=None if uncalibrated is None else _slice("all", uncalibrated, options),
        ece_if_honest=ece_if_honest(rows, bins=options.bins),
        top_k=_top_k(rows, circumstances, options),
        reliability=reliability(rows, bins=options.bins),
        slices={by: _slices(rows, parts, options) for by, parts in slices.items()},
        cold_start=_slices(rows, cold_start(circumstances), options),
    )


def _slices(
    rows: ScoredRows, parts: Iterable[SliceRows], options: EvaluationOptions
) -> tuple[Slice, ...]:
    return tuple(_slice(part.name, rows.where(part.rows_C), options) for part in parts)


def _slice(name: str, rows: ScoredRows, options: EvaluationOptions) -> Slice:
    return Slice(
        name=name,
        rows=len(rows),
        clicks=int(rows.clicked_C.sum()),
        users=rows.users,
        metrics=_click_metrics(rows, options),
    )


def _click_metrics(rows: ScoredRows, options: EvaluationOptions) -> Mapping[str, Measure]:
    if len(rows) == 0:
        return dict.fromkeys(CLICK_METRICS, Measure(None))
    return options.bootstrap.measures(click_statistics(rows, bins=options.bins), rows.users)


def _top_k(
    rows: ScoredRows, circumstances: Circumstances, options: EvaluationOptions
) -> tuple[TopK, ...]:
    lists = UserLists(rows)
    return tuple(
        TopK(
            k=k,
            metrics=options.bootstrap.measures(
                lists.statistics(k, circumstances.category_C), rows.users
            ),
            coverage=lists.coverage(k, circumstances.item_C),
            longer_lists=lists.longer_than(k),
        )
        for k in options.ks
    )
