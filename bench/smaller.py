"""What smaller and combined versions cost and keep: size, quality and time beside the base's.

Each version scores the test samples as it is served, with its calibration. Times are of the engine
alone, one user with 50 behaviors and 100 candidates on one thread; a machine's speed drifts, so
base and version take turns and what is shown is the median of the ratios of such pairs.

    python -m bench.smaller samples dien@1 dien-light dien-small mixed --store model_store

The first version is the base. The versions are made by `ctr-serve train`, `prune` and `ensemble`,
see docs/smaller.md.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.batch import RaggedBatch
from app.inference.engine import Engine
from app.inference.torch_process import prepare_torch
from app.registry.manifest import Metrics
from app.registry.model_store import Artifact, ModelStore
from app.registry.version_reference import resolve
from app.training.evaluation import evaluate
from app.training.offline import engine_of, score_samples
from app.training.samples import read_samples
from app.training.side_fields import fields_of
from bench.random_batch import draw_batch

WARM_UP_PAIRS = 5
HEADER = (
    *("version", "architecture", "bytes", "of base", "parameters"),
    *("test AUC", "difference", "logloss", "ms", "time of base"),
)


@dataclass(frozen=True)
class Measured:
    """One version beside the base."""

    version: str
    architecture: str
    size_bytes: int
    parameters: int  # running statistics included
    test: Metrics
    score_ms: float
    time_ratio: float


def main() -> None:
    options = parse_options()
    prepare_torch(threads=1)
    store = ModelStore(options.store)
    artifacts = [store.load(*resolve(store, version)) for version in options.versions]
    measured = []
    for artifact in artifacts:
        print(f"measuring {artifact.reference} ...", file=sys.stderr)
        measured.append(measure(artifact, artifacts[0], options))
    print("\n".join(table(measured)))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", type=Path, help="folder with test.tsv")
    parser.add_argument("versions", nargs="+", metavar="NAME[@VERSION]", help="the base first")
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--limit-rows", type=int, help="first rows of test.tsv, for a quick try")
    parser.add_argument("--pairs", type=int, default=200, help="timed pairs of base and version")
    return parser.parse_args()


def measure(artifact: Artifact, base: Artifact, options: argparse.Namespace) -> Measured:
    manifest = artifact.manifest
    base_ms, own_ms = time_pairs(base, artifact, options.pairs)
    return Measured(
        version=artifact.reference,
        architecture=manifest.architecture.name,
        size_bytes=manifest.bytes,
        parameters=sum(weight.numel() for weight in artifact.weights.values()),
        test=quality(artifact, options.samples / "test.tsv", options.limit_rows),
        score_ms=statistics.median(own_ms),
        time_ratio=statistics.median(
            own / of_base for of_base, own in zip(base_ms, own_ms, strict=True)
        ),
    )


def quality(artifact: Artifact, path: Path, limit_rows: int | None) -> Metrics:
    samples = read_samples(path, fields_of(artifact.manifest.features), limit_rows=limit_rows)
    users_C = samples.users.ids["user_id"].codes_R[samples.user_of_C]
    return evaluate(score_samples(artifact, samples), samples.labels_C, users_C)


def time_pairs(
    base: Artifact, version: Artifact, pairs: int
) -> tuple[Sequence[float], Sequence[float]]:
    """Milliseconds of the base's scores and of the version's, in turns."""
    base_ms: list[float] = []
    own_ms: list[float] = []
    sides = [
        (engine_of(artifact), draw_batch(artifact.manifest.features), times)
        for artifact, times in ((base, base_ms), (version, own_ms))
    ]
    for number in range(WARM_UP_PAIRS + pairs):
        # Whoever goes second finds the caches full of the other: that, too, is taken in turns.
        for engine, batch, times in sides if number % 2 else reversed(sides):
            times.append(score_ms(engine, batch))
    return base_ms[WARM_UP_PAIRS:], own_ms[WARM_UP_PAIRS:]


def score_ms(engine: Engine, batch: RaggedBatch) -> float:
    started_s = time.perf_counter()
    engine.score(batch)
    return 1e3 * (time.perf_counter() - started_s)


def table(measured: Sequence[Measured]) -> Iterator[str]:
    """Markdown; the first is what the others are compared with."""
    base = measured[0]
    yield f"| {' | '.join(HEADER)} |"
    yield "|---|---" + "|--:" * (len(HEADER) - 2) + "|"
    for one in measured:
        yield (
            f"| {one.version} | {one.architecture} | {one.size_bytes:,} "
            f"| {one.size_bytes / base.size_bytes:.0%} | {one.parameters:,} "
            f"| {one.test.auc:.4f} | {one.test.auc - base.test.auc:+.4f} "
            f"| {one.test.logloss:.4f} | {one.score_ms:.2f} | {one.time_ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
