"""Compute only: the same request through every runtime, on one core, without any server.

It runs in an environment of its own: python -m bench.race.compute STORE MODEL
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from app.inference.torch_process import prepare_torch
from app.registry.model_store import ModelStore
from bench.race.contestants import Checkpoint
from bench.race.environments import NotInstallable, environment_of, last_line
from bench.race.per_row_dien import per_row_dien
from bench.race.runtimes import RUNTIMES, Compute, Entry, make_entry

SHAPE = (100, 50)  # candidates, behaviors
WARM_UP_CALLS = 5
ROUNDS, CALLS = 5, 20
TIMEOUT_S = 900


def run_compute(checkpoint: Checkpoint, cache: Path) -> list[dict[str, Any]]:
    """A row for each runtime; one row that says why if there is no environment for them."""
    try:
        python = environment_of("compute", cache)
        done = subprocess.run(
            [
                str(python),
                *("-m", "bench.race.compute"),
                str(checkpoint.store.resolve()),
                checkpoint.name,
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())},
        )
    except NotInstallable as problem:
        return [absent("all", str(problem))]
    except subprocess.TimeoutExpired:
        return [absent("all", f"not done within {TIMEOUT_S} s")]
    except subprocess.CalledProcessError as error:
        return [absent("all", last_line(error.stderr))]
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def absent(runtime: str, problem: str) -> dict[str, Any]:
    return {
        "runtime": runtime,
        "median_ms": None,
        "slower_than_ours": None,
        "difference": None,
        "problem": problem,
    }


def compare(entry: Entry) -> list[dict[str, Any]]:
    """Every runtime's median over rounds in turn; the first is the reference."""
    ready: dict[str, Compute] = {}
    rows: list[dict[str, Any]] = []
    for name, make in RUNTIMES.items():
        try:
            ready[name] = make(entry)
            for _ in range(WARM_UP_CALLS):
                ready[name]()
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still run
            ready.pop(name, None)
            rows.append(absent(name, f"{type(error).__name__}: {last_line(str(error))}"))
    times_ms = _times_ms(ready)
    reference = next(iter(ready))
    expected = ready[reference]()
    found = [
        {
            "runtime": name,
            "median_ms": median(times_ms[name]),
            "slower_than_ours": median(times_ms[name]) / median(times_ms[reference]),
            "difference": float(np.abs(compute() - expected).max()),
            "problem": None,
        }
        for name, compute in ready.items()
    ]
    return found + rows


def _times_ms(ready: Mapping[str, Compute]) -> dict[str, list[float]]:
    times_ms: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(ROUNDS):
        for name, compute in ready.items():
            for _ in range(CALLS):
                started_s = time.perf_counter()
                compute()
                times_ms[name].append((time.perf_counter() - started_s) * 1e3)
    return times_ms


def main() -> None:
    prepare_torch(threads=1)
    torch.set_num_interop_threads(1)
    store = ModelStore(Path(sys.argv[1]))
    artifact = store.load(sys.argv[2], store.active_versions()[sys.argv[2]])
    model = per_row_dien(artifact).requires_grad_(requires_grad=False)
    with tempfile.TemporaryDirectory() as work:
        rows = compare(make_entry(artifact, model, Path(work), SHAPE))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
