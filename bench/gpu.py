"""What a batch costs on a GPU and on a CPU, by how many requests are in it, and how scores agree.

A request is one user with 50 behaviors (or as many as the version looks at) and 100 candidates. The
runtimes get prepared batches and take turns; a call ends when its scores are on the host, so that
copies and everything the device still had to do are in its time. Shown are medians. Each CPU
runtime computes on one thread.

    python -m bench.gpu dien --store model_store --device cuda:0

Versions are loaded as for serving: their golden requests must be met on each device.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from app.core.batch import RaggedBatch
from app.inference.device import resolve_device
from app.inference.runtime import Runtime
from app.inference.torch_process import prepare_torch
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from app.registry.version_reference import resolve
from bench.random_batch import draw_batch

CPU = torch.device("cpu")
WARM_UP_CALLS = 3
FEWEST_CALLS, MOST_CALLS = 5, 200

Runtimes = Mapping[str, Runtime]


@dataclass(frozen=True)
class Measured:
    """One size of batch."""

    requests: int
    times_ms: Mapping[str, float]  # medians, by runtime
    logit_difference: float  # the largest between the device and the reference on the CPU
    attention_difference: float


def main() -> None:
    options = parse_options()
    prepare_torch(threads=1)
    store = ModelStore(options.store)
    artifact = store.load(*resolve(store, options.version))
    device = resolve_device(options.device, option="--device")
    loaded = [load_version(artifact, CPU, name) for name in ("reference", "auto")]
    loaded.append(load_version(artifact, device, "reference"))
    runtimes = {f"{one.runtime.name}, {one.runtime.device}": one.runtime for one in loaded}
    measured = []
    for requests in options.requests:
        print(f"measuring batches of {requests} ...", file=sys.stderr)
        batch = draw_batch(artifact.manifest.features, requests)
        measured.append(measure(runtimes, batch, options.seconds))
    print(f"{artifact.reference} on {processor(device)}, torch {torch.__version__}\n")
    print("\n".join(table(measured)))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", metavar="NAME[@VERSION]")
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--device", default="cuda:0", help="beside the CPU; cuda:0")
    parser.add_argument("--requests", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=5, help="for each size of batch, about")
    return parser.parse_args()


def measure(runtimes: Runtimes, batch: RaggedBatch, seconds: float) -> Measured:
    for runtime in runtimes.values():
        for _ in range(WARM_UP_CALLS):
            runtime.score(batch)
    times_ms: dict[str, list[float]] = {name: [] for name in runtimes}
    until_s = time.perf_counter() + seconds
    for number in range(MOST_CALLS):
        if number >= FEWEST_CALLS and time.perf_counter() > until_s:
            break
        for name, runtime in runtimes.items():
            times_ms[name].append(score_ms(runtime, batch))
    scores = [runtime.score(batch) for runtime in runtimes.values()]
    on_cpu, on_device = scores[0], scores[-1]
    return Measured(
        len(batch.lengths_U),
        {name: statistics.median(times) for name, times in times_ms.items()},
        float(np.abs(on_device.logits_C - on_cpu.logits_C).max()),
        float(np.abs(on_device.attention_CT - on_cpu.attention_CT).max()),
    )


def score_ms(runtime: Runtime, batch: RaggedBatch) -> float:
    started_s = time.perf_counter()
    runtime.score(batch)
    return 1e3 * (time.perf_counter() - started_s)


def processor(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def table(measured: Sequence[Measured]) -> Iterator[str]:
    """Markdown; in parentheses what one request of the batch takes."""
    names = measured[0].times_ms
    columns = (
        "requests",
        *(f"{name}, ms" for name in names),
        *("largest difference of a logit", "of attention"),
    )
    yield f"| {' | '.join(columns)} |"
    yield "|--:" * len(columns) + "|"
    for one in measured:
        cells = (
            str(one.requests),
            *(f"{ms:.2f} ({ms / one.requests:.2f})" for ms in one.times_ms.values()),
            *(f"{one.logit_difference:.1e}", f"{one.attention_difference:.1e}"),
        )
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
