"""Instructions per `POST /v1/rank` outside of the kernel, by stage: the same at every run.

The application runs under `valgrind --tool=callgrind`, in a process of its own, without sockets to
clients and with a stub in place of the kernel; Redis is a real one. It answers the same requests
until its caches are full; then all instructions of answering them are counted, and again those of
each stage, whose calls were recorded and are made once more. What is in no stage is `the rest`: the
way through the application, reading Redis, admission, hand-over to the engine, event loop.

Python's strings hash alike at every run, so that totals differ by two in a thousand at most. A
stage may differ by some percent: a buffer that grows is moved, or not, by what else is in memory.
It takes a minute or two, and needs valgrind with its header and a C compiler.

Example: python -m bench.instructions --store model_store --model demo
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from app.features.embedded_redis import embedded_redis
from bench.callgrind import compile_shim, run_counted
from bench.instruction_stages import EVERYTHING, STAGES
from bench.load import load_artifact, write_histories, write_script

REQUESTS = 64
REST = "the rest"


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        work = Path(folder)
        compile_shim(work)
        artifact = load_artifact(options.store, options.model)
        asyncio.run(write_histories(redis_url, artifact, options.behaviors))
        write_script(work, artifact, options.candidates)
        counts = run_counted(work, counted_requests(options, redis_url, work))
    report(thousands_per_request(counts), options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo", help="one that the fused runtime serves")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--behaviors", type=int, default=50, help="stored in Redis for each user")
    parser.add_argument(
        "--connections",
        type=int,
        default=8,
        help=f"of {REQUESTS} requests, so many are under way at once",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def counted_requests(options: argparse.Namespace, redis_url: str, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bench.counted_requests"),
        *("--store", str(options.store), "--model", options.model, "--redis", redis_url),
        *("--connections", str(options.connections), "--requests", str(REQUESTS)),
        *("--folder", str(folder)),
    ]


def thousands_per_request(counts: Mapping[str, int]) -> dict[str, float]:
    """In the order of the stages, with what is in none, so that the table adds up."""
    of_stages = {stage: counts[stage] for stage in STAGES}
    total = counts[EVERYTHING]
    rows = {**of_stages, REST: total - sum(of_stages.values()), EVERYTHING: total}
    return {name: count / REQUESTS / 1e3 for name, count in rows.items()}


def report(thousands: Mapping[str, float], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(thousands))
        return
    print(
        f"thousands of instructions per request outside of the kernel, {options.candidates} "
        f"candidates x {options.behaviors} behaviors, {options.connections} at once"
    )
    for name, count in thousands.items():
        print(f"{name:50}{count:9.1f}")


if __name__ == "__main__":
    main()
