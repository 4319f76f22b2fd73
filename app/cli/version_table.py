"""What is said of a version that has just been published: metrics for people and for programs."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from app.registry.manifest import Manifest, Metrics, RungQuality, Split

RankedBy = Mapping[Split, tuple[float, float]]  # AUC and GAUC of what a model has to beat


def metrics_table(manifest: Manifest, popularity: RankedBy | None = None) -> Table:
    """By split: what has to be beaten, the model's own CTRs, and those that are served."""
    table = Table(title=f"{manifest.name}@{manifest.version}")
    for column in ("split", "scored by", "AUC", "GAUC", "logloss", "PCOC", "ECE", "rows"):
        table.add_column(column, justify="left" if column in ("split", "scored by") else "right")
    for split, served in manifest.metrics.items():
        if popularity is not None:
            auc, gauc = popularity[split]
            table.add_row(split, "popularity", f"{auc:.4f}", f"{gauc:.4f}")
        table.add_row(split, "uncalibrated", *_cells(manifest.metrics_uncalibrated[split]))
        table.add_row(split, manifest.name, *_cells(served), end_section=True)
    return table


def ladder_table(manifest: Manifest) -> Table:
    """By split: what answers are worth that lack nothing, and those of each rung."""
    table = Table(title="degraded answers")
    for column in ("split", "degraded", "behaviors", "AUC", "logloss", "PCOC"):
        table.add_column(column, justify="left" if column in ("split", "degraded") else "right")
    longest = str(manifest.features.max_behaviors)
    for split, whole in manifest.metrics.items():
        table.add_row(split, "", longest, *_three_cells(whole))
        for rung in manifest.ladder:
            behaviors = str(rung.behaviors - rung.missing_newest)
            table.add_row(split, rung.degraded, behaviors, *_three_cells(rung.metrics[split]))
        table.add_section()
    return table


def version_dict(manifest: Manifest, *, activated: bool) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "activated": activated,
        "prior_ctr": manifest.prior_ctr,
        "metrics": {split: metrics.model_dump() for split, metrics in manifest.metrics.items()},
        "metrics_uncalibrated": {
            split: metrics.model_dump() for split, metrics in manifest.metrics_uncalibrated.items()
        },
        "calibration": manifest.calibration.model_dump(),
        "ladder": [rung.model_dump() for rung in manifest.ladder],
    }


def activity(*, activated: bool) -> str:
    return "Active: start or restart `ctr-serve serve`." if activated else "Not activated."


def _three_cells(quality: Metrics | RungQuality) -> tuple[str, ...]:
    return f"{quality.auc:.4f}", f"{quality.logloss:.4f}", f"{quality.pcoc:.3f}"


def _cells(metrics: Metrics) -> tuple[str, ...]:
    ranking = (f"{metrics.auc:.4f}", f"{metrics.gauc:.4f}", f"{metrics.logloss:.4f}")
    return (*ranking, f"{metrics.pcoc:.3f}", f"{metrics.ece:.4f}", f"{metrics.rows:,}")
