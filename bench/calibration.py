"""Are served CTRs honest? Trains where nine of ten negatives are missing and the truth is known.

For each seed a world is simulated, the negatives of its training samples are sampled down, a DIEN
is trained and published, and every kind of calibration is fitted on its validation samples. The
table compares the CTRs of the test samples, which nothing was fitted to, with clicks and with the
probabilities that the clicks were drawn with.

    python -m bench.calibration
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from app.core.batch import Doubles, Floats
from app.core.calibration import UNCALIBRATED, Calibration, ctr_of
from app.registry.model_store import Artifact, ModelStore
from app.simulation.samples import Split, write_samples
from app.simulation.simulate import simulate
from app.simulation.world import WorldConfig
from app.training.calibration import fit_calibration
from app.training.evaluation import auc, ece, pcoc
from app.training.offline import score_logits
from app.training.options import CalibrationKind
from app.training.samples import read_samples
from app.training.side_fields import parse_fields

# C impressions

TRUTH = parse_fields(["candidate:true_ctr:dense"])
COLUMNS = ("AUC", "PCOC", "ECE", "ECE to true CTR", "mean |CTR - true CTR|", "logloss")

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Impressions:
    """What the model says of a split, what was clicked and how probable that was."""

    logits_C: Floats
    labels_C: Floats
    true_ctr_C: Doubles

    def figures(self, ctr_C: Doubles) -> Figures:
        clicked_C = self.labels_C > 0
        values = (
            auc(ctr_C, self.labels_C),
            pcoc(ctr_C, self.labels_C),
            ece(ctr_C, self.labels_C),
            ece(ctr_C, self.true_ctr_C),
            float(np.abs(ctr_C - self.true_ctr_C).mean()),
            float(-np.log(np.where(clicked_C, ctr_C, 1 - ctr_C)).mean()),
        )
        return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    options = parse_options()
    runs = {}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            runs[seed] = measure(seed, options, Path(folder))
    print(json.dumps(runs) if options.json else "\n".join(table(list(runs.values()))))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--negatives-kept", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="every figure of every seed")
    return parser.parse_args()


def measure(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    """The test figures of each kind of calibration, of none at all and of the truth itself."""
    split = Split(train_days=5, negatives_kept=options.negatives_kept)
    rows = write_samples(simulate(WorldConfig(seed=seed, users=options.users)), folder, split)
    print(f"seed {seed}: {rows}", file=sys.stderr)
    artifact = trained(folder, seed, options)
    valid, test = (scored(artifact, folder / f"{name}.tsv") for name in ("valid", "test"))
    calibrations: dict[str, Calibration] = {
        kind: fit_calibration(
            kind, valid.logits_C, valid.labels_C, negatives_kept=options.negatives_kept
        )
        for kind in get_args(CalibrationKind)
    }
    ctrs = {"before": ctr_of(test.logits_C, UNCALIBRATED)}
    ctrs |= {kind: ctr_of(test.logits_C, one) for kind, one in calibrations.items()}
    return {
        kind: test.figures(ctr_C) for kind, ctr_C in (ctrs | {"truth": test.true_ctr_C}).items()
    }


def trained(folder: Path, seed: int, options: argparse.Namespace) -> Artifact:
    store, name = folder / "store", "sampled"
    command = [
        *(sys.executable, "-m", "app", "train", f"--samples={folder}", f"--store={store}"),
        *(f"--name={name}", f"--seed={seed}", "--json", "--batch-size=512"),
        *(f"--epochs={options.epochs}", f"--negatives-kept={options.negatives_kept}"),
        "--auxiliary-share=0.25",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return ModelStore(store).load(name, "1")


def scored(artifact: Artifact, path: Path) -> Impressions:
    samples = read_samples(path, TRUTH)
    truth_C = samples.candidates.numbers["true_ctr"]
    return Impressions(score_logits(artifact, samples), samples.labels_C, truth_C)


def table(runs: Sequence[Mapping[str, Figures]]) -> Iterator[str]:
    """In Markdown: the mean over the seeds, with the lowest and the highest."""
    yield f"| calibration | {' | '.join(COLUMNS)} |"
    yield f"|---|{'--:|' * len(COLUMNS)}"
    for kind in runs[0]:
        cells = (summary([run[kind][column] for run in runs]) for column in COLUMNS)
        yield f"| {kind} | {' | '.join(cells)} |"


def summary(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    main()
