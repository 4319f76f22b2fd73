"""An evaluation as a page for people; `docs/evaluation.md` explains every number on it."""

from collections.abc import Iterable, Sequence

from app.errors import one_line
from app.training.quality.bootstrap import Measure
from app.training.quality.evaluation import Evaluation, Slice

UNDEFINED = "—"
METRIC_NAMES = {
    "auc": "AUC",
    "gauc": "GAUC",
    "logloss": "logloss",
    "normalized_entropy": "NE",
    "pcoc": "PCOC",
    "ece": "ECE",
    "precision": "precision",
    "recall": "recall",
    "ndcg": "NDCG",
    "diversity": "diversity",
}
SLICE_TITLES = {
    "history_length": "Behaviors in the history",
    "training_clicks": "Clicks on the item in training",
    "category": "Category",
}
WITH_INTERVAL = ("auc", "gauc", "pcoc")  # of a slice; JSON has all of them


def as_markdown(evaluation: Evaluation) -> str:
    """The report."""
    identity = evaluation.identity
    blocks = [
        f"# {identity.name}@{identity.version} on {identity.split}",
        _identity_table(evaluation),
        "## Metrics",
        _metrics_table(evaluation),
        "## The best k of each user",
        _top_k_table(evaluation),
        "## Reliability",
        _reliability_table(evaluation),
        "## Slices",
        *(
            block
            for by, slices in evaluation.slices.items()
            if slices
            for block in (f"### {SLICE_TITLES[by]}", _slice_table(slices))
        ),
        "## Cold start",
        _slice_table(evaluation.cold_start),
        *(["## Degraded answers", _ladder_table(evaluation)] if evaluation.ladder else []),
    ]
    return "\n\n".join(blocks) + "\n"


def _identity_table(evaluation: Evaluation) -> str:
    identity, whole, bootstrap = evaluation.identity, evaluation.whole, evaluation.options.bootstrap
    seen = "as in its training" if identity.samples_of_training else "not those of its training"
    rows = [
        ("architecture", str(identity.architecture["name"])),
        ("calibration", str(identity.calibration["kind"])),
        ("torch", identity.torch_version),
        ("weights sha256", f"`{identity.weights_sha256}`"),
        (f"{identity.samples_file} sha256", f"`{identity.samples_sha256}`, {seen}"),
        ("rows", f"{whole.rows:,}, of which {whole.clicks:,} clicks"),
        ("users", f"{whole.users:,}"),
        ("intervals", f"{bootstrap.confidence:.0%}, {bootstrap.resamples:,} resamples of users"),
    ]
    return _table(("version", f"{identity.name}@{identity.version}"), rows, left=2)


def _metrics_table(evaluation: Evaluation) -> str:
    served, own = evaluation.whole.metrics, evaluation.uncalibrated
    header = ["metric", "value", "interval", *(["uncalibrated"] if own else [])]
    rows = []
    for name, measure in served.items():
        row = [METRIC_NAMES[name], _value(measure.value), _interval(measure)]
        rows.append([*row, _value(own.metrics[name].value)] if own else row)
    honest = f"Honest CTRs would have an ECE of about {evaluation.ece_if_honest:.4f} by chance."
    return f"{_table(header, rows)}\n\n{honest}"


def _top_k_table(evaluation: Evaluation) -> str:
    first = evaluation.top_k[0]
    header = ["k", *map(METRIC_NAMES.__getitem__, first.metrics), "coverage", "longer lists"]
    rows = [
        [
            str(top.k),
            *map(_with_interval, top.metrics.values()),
            _value(top.coverage),
            f"{top.longer_lists:.1%}",
        ]
        for top in evaluation.top_k
    ]
    return _table(header, rows, left=0)


def _reliability_table(evaluation: Evaluation) -> str:
    header = ("CTR from", "to", "rows", "mean predicted", "observed", "difference")
    rows = [
        (
            *map(_value, (part.lowest, part.highest)),
            f"{part.rows:,}",
            *map(_value, (part.predicted, part.observed)),
            f"{part.predicted - part.observed:+.4f}",
        )
        for part in evaluation.reliability
    ]
    return _table(header, rows, left=0)


def _slice_table(slices: Sequence[Slice]) -> str:
    header = ["slice", "rows", "clicks", "users", *map(METRIC_NAMES.__getitem__, slices[0].metrics)]
    rows = [
        [
            _escaped(part.name),
            *(f"{count:,}" for count in (part.rows, part.clicks, part.users)),
            *(
                _with_interval(measure) if name in WITH_INTERVAL else _value(measure.value)
                for name, measure in part.metrics.items()
            ),
        ]
        for part in slices
    ]
    return _table(header, rows)


def _ladder_table(evaluation: Evaluation) -> str:
    header = ("degraded", "behaviors", *map(METRIC_NAMES.__getitem__, ("auc", "logloss", "pcoc")))
    rows = [
        (
            rung.degraded,
            str(rung.behaviors),
            *map(_value, (rung.auc, rung.logloss, rung.pcoc)),
        )
        for rung in evaluation.ladder
    ]
    then = f"On the {evaluation.identity.split} samples of the training, when it was published."
    return f"{_table(header, rows)}\n\n{then}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """The first `left` columns are text, the others numbers."""
    rule = ["---" if column < left else "--:" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def _value(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.4f}"


def _interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return UNDEFINED
    return f"{measure.low:.4f} to {measure.high:.4f}"


def _with_interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return _value(measure.value)
    return f"{_value(measure.value)} ({measure.low:.3f}–{measure.high:.3f})"  # noqa: RUF001


def _escaped(text: str) -> str:
    """A category's name that stays within its cell."""
    return one_line(text).replace("\\", "\\\\").replace("|", "\\|")
