"""What a training run says at its end: a table for people, a dictionary for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from app.registry.manifest import Metrics
from app.training.judgment import EVALUATED
from app.training.run import TrainingRun


def show(run: TrainingRun, console: Console) -> None:
    manifest = run.manifest
    table = Table(title=f"{manifest.name}@{manifest.version}")
    for column in ("split", "scored by", "AUC", "GAUC", "logloss", "PCOC", "ECE", "rows"):
        table.add_column(column, justify="left" if column in ("split", "scored by") else "right")
    for split in EVALUATED:
        baseline = run.popularity[split]
        table.add_row(split, "popularity", f"{baseline.auc:.4f}", f"{baseline.gauc:.4f}")
        raw, served = manifest.metrics_uncalibrated[split], manifest.metrics[split]
        table.add_row(split, "uncalibrated", *_cells(raw))
        table.add_row(split, manifest.name, *_cells(served), end_section=True)
    console.print(table)
    console.print(
        f"{manifest.training.epochs} epochs of {manifest.training.seconds_per_epoch:.1f} s; "
        f"PCOC is predicted over observed clicks, ECE the mean error of the CTR. "
        + ("Active: start or restart `ctr-serve serve`." if run.activated else "Not activated."),
        highlight=False,
        soft_wrap=True,
    )


def as_dict(run: TrainingRun) -> dict[str, Any]:
    manifest = run.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "activated": run.activated,
        "prior_ctr": manifest.prior_ctr,
        "metrics": {split: metrics.model_dump() for split, metrics in manifest.metrics.items()},
        "metrics_uncalibrated": {
            split: metrics.model_dump() for split, metrics in manifest.metrics_uncalibrated.items()
        },
        "calibration": manifest.calibration.model_dump(),
        "popularity": {split: asdict(quality) for split, quality in run.popularity.items()},
        "seconds_per_epoch": manifest.training.seconds_per_epoch,
        "epochs": [{**asdict(report), "valid": report.valid.model_dump()} for report in run.epochs],
    }


def _cells(metrics: Metrics) -> tuple[str, ...]:
    ranking = (f"{metrics.auc:.4f}", f"{metrics.gauc:.4f}", f"{metrics.logloss:.4f}")
    return (*ranking, f"{metrics.pcoc:.3f}", f"{metrics.ece:.4f}", f"{metrics.rows:,}")
