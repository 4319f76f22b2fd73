"""Every runtime of one version side by side: size, start, time of requests, and what it loses.

    python -m bench.runtimes STORE NAME[@VERSION] [--samples FOLDER]

Exports what is not exported yet (beside the version, so give it a copy), then times all runtimes in
turns, because a machine's speed drifts, and prints Markdown with ratios to the reference.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from app.core.batch import RaggedBatch
from app.core.schema import FeatureSchema, SparseField
from app.inference.torch_process import prepare_torch
from app.registry.exports.exporting import ExportOptions, export_version
from app.registry.exports.held_out import HeldOut, held_out_of
from app.registry.exports.kinds import ExportedRuntime, export_name
from app.registry.exports.quality import compare
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.manifest import Manifest
from app.registry.model_store import WEIGHTS, Artifact, ModelStore
from app.registry.version_reference import resolve
from app.training.held_out import read_held_out

CPU = torch.device("cpu")
OWN = ("reference", "fused")
ROUNDS = 40


def main() -> None:
    options = _options()
    prepare_torch(threads=1)
    store = ModelStore(options.store)
    name, number = resolve(store, options.version)
    made = _export_all(store, name, number)
    artifact = store.load(name, number)
    held_out = read_held_out(options.samples, artifact) if options.samples else None
    held_out = held_out or held_out_of(artifact)
    loaded = {runtime: _loaded(artifact, runtime) for runtime in (*OWN, *made)}
    versions = {runtime: version for runtime, (version, _) in loaded.items()}
    single, many = _batch(artifact.manifest.features, 1), _batch(artifact.manifest.features, 8)
    seconds = {
        shape: _in_turns(versions, batch) for shape, batch in (("single", single), ("many", many))
    }
    print("| runtime | bytes | start s | 1 request | 8 together | max Δp | ΔAUC | made in s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for runtime, (version, start_s) in loaded.items():
        ratios = [seconds[shape][runtime] / seconds[shape]["reference"] for shape in seconds]
        print(
            f"| {runtime} | {_bytes(artifact.manifest, runtime):,} | {start_s:.2f} | "
            + " | ".join(f"{ratio:.2f}" for ratio in ratios)
            + f" | {_losses(version, versions['reference'], held_out)} | "
            + (f"{made[runtime]:.0f} |" if runtime in made else " |")
        )
    milliseconds = ", ".join(f"{1e3 * seconds[shape]['reference']:.2f} ms" for shape in seconds)
    print(f"\nThe reference takes {milliseconds}: 100 candidates, 50 behaviors, one thread.")


def _export_all(store: ModelStore, name: str, number: str) -> dict[ExportedRuntime, float]:
    """Seconds that each took, measurement included."""
    seconds = {}
    for runtime in get_args(ExportedRuntime):
        started_s = time.perf_counter()
        export_version(store, store.load(name, number), ExportOptions(runtime))
        seconds[runtime] = time.perf_counter() - started_s
    return seconds


def _loaded(artifact: Artifact, runtime: str) -> tuple[LoadedVersion, float]:
    """With the seconds from files to a warm version."""
    started_s = time.perf_counter()
    version = load_version(artifact, CPU, runtime)  # type: ignore[arg-type]
    return version, time.perf_counter() - started_s


def _in_turns(versions: dict[str, LoadedVersion], batch: RaggedBatch) -> dict[str, float]:
    """Median seconds of each."""
    taken: dict[str, list[float]] = {runtime: [] for runtime in versions}
    for _ in range(ROUNDS):
        for runtime, version in versions.items():
            taken[runtime].append(_seconds(lambda: version.runtime.score(batch)))  # noqa: B023
    return {runtime: float(np.median(seconds)) for runtime, seconds in taken.items()}


def _seconds(call: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s


def _losses(version: LoadedVersion, reference: LoadedVersion, held_out: HeldOut | None) -> str:
    if held_out is None:
        return " | "
    scores = version.runtime.score, reference.runtime.score
    quality = compare(*scores, held_out, version.manifest.calibration)
    return f"{quality.max_ctr_difference:.1e} | {quality.auc_change:+.6f}"


def _bytes(manifest: Manifest, runtime: str) -> int:
    if runtime in OWN:
        return manifest.files[WEIGHTS].size
    return manifest.exports[export_name(runtime, "cpu")].size  # type: ignore[arg-type]


def _batch(schema: FeatureSchema, users: int) -> RaggedBatch:
    """Users with full histories and 100 candidates each, ids all over the tables."""
    rng = np.random.default_rng(0)
    behaviors, candidates = users * schema.max_behaviors, users * 100

    def rows(count: int, fields: Sequence[SparseField]) -> NDArray[np.int64]:
        columns = [rng.integers(1, field.rows, count) for field in fields]
        return np.array(columns, np.int64).reshape(len(fields), count).T.copy()

    return RaggedBatch(
        lengths_U=np.full(users, schema.max_behaviors),
        behaviors_NF=rows(behaviors, schema.behavior_fields),
        behavior_seconds_N=np.arange(behaviors) * 600,
        user_sparse_US=rows(users, schema.user_sparse_fields),
        user_dense_UD=np.zeros((users, len(schema.user_dense_fields)), np.float32),
        candidates_CF=rows(candidates, schema.behavior_fields),
        candidate_sparse_CS=rows(candidates, schema.candidate_sparse_fields),
        candidate_dense_CD=np.zeros((candidates, len(schema.candidate_dense_fields)), np.float32),
        user_of_C=np.repeat(np.arange(users), 100),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("version")
    parser.add_argument("--samples", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
