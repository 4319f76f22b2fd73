"""What a training run says at its end: a table for people, a dictionary for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from app.cli.version_table import activity, ladder_table, metrics_table, version_dict
from app.training.run import TrainingRun


def show(run: TrainingRun, console: Console) -> None:
    manifest = run.manifest
    popularity = {split: (quality.auc, quality.gauc) for split, quality in run.popularity.items()}
    console.print(metrics_table(manifest, popularity))
    console.print(ladder_table(manifest))
    console.print(
        f"{manifest.training.epochs} epochs of {manifest.training.seconds_per_epoch:.1f} s; "
        "PCOC is predicted over observed clicks, ECE the mean error of the CTR. "
        + activity(activated=run.activated),
        highlight=False,
        soft_wrap=True,
    )


def as_dict(run: TrainingRun) -> dict[str, Any]:
    return {
        **version_dict(run.manifest, activated=run.activated),
        "popularity": {split: asdict(quality) for split, quality in run.popularity.items()},
        "seconds_per_epoch": run.manifest.training.seconds_per_epoch,
        "epochs": [{**asdict(report), "valid": report.valid.model_dump()} for report in run.epochs],
    }
