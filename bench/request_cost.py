"""CPU time of one `POST /v1/rank` outside of the kernel, stage by stage, in a table that adds up.

The service runs in this process as it always does, with the fused runtime: its own server on a real
socket, a real Redis, its log written to a file. wrk is the client, with connections that stay open.

CPU time is that of this process, user and system, all threads but the kernel's; wrk and Redis are
processes of their own. The total is the median of runs without a meter; between them run others in
which a meter around the service's functions charges each stage its own thread time. The total is
divided as those runs were, and `the rest` is what no stage was charged: HTTP parsing, event loop,
sockets, wake-ups.
The floor is an application that reads the same body and sends an answer of the same size.

Example: python -m bench.request_cost --candidates 100 --behaviors 50 --connections 1 8
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

import httpx

from app.features.embedded_redis import embedded_redis
from app.main import build_service, lifecycle_of
from app.monitoring.logs import configure_logging
from app.settings import Settings
from bench.cpu_meter import CpuMeter, cpu_outside_of_kernel_s
from bench.in_process import floor_application, listening
from bench.load import load_artifact, run_wrk, write_histories, write_script
from bench.request_stages import STAGES, meter_stages

REST, TOTAL, FLOOR = "the rest", "total", "floor"
WARM_UP_S = 1

CostsMs = dict[str, float]  # CPU milliseconds per request, by stage


def main() -> None:
    options = parse_options()
    artifact = load_artifact(options.store, options.model)
    meter = CpuMeter()
    meter_stages(meter)
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        work = Path(folder)
        configure_logging(options.log_level, path=str(work / "service.log"))
        asyncio.run(write_histories(redis_url, artifact, options.behaviors))
        script = write_script(work, artifact, options.candidates)
        settings = Settings(model_store=options.store, default_model=options.model, runtime="fused")
        service = build_service(settings, redis_url, lifecycle_of(settings))
        with listening(service) as url:
            answer_bytes = len(answer_to_first(url, work / "bodies.jsonl"))
            costs = {c: costs_of(url, script, c, meter, options) for c in options.connections}
        with listening(floor_application(answer_bytes)) as url:
            for connections in options.connections:
                runs = [total_ms(url, script, connections, options) for _ in range(options.runs)]
                costs[connections][FLOOR] = median(runs)
    report(costs, options)


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
        nargs="+",
        default=[1, 8],
        help="requests under way at once; from 2 on they share round trips and batches",
    )
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="without the meter, and with it")
    parser.add_argument("--log-level", default="INFO", help="WARNING: no line per request")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def answer_to_first(url: str, bodies: Path) -> bytes:
    with bodies.open("rb") as file:
        answer = httpx.post(f"{url}/v1/rank", content=file.readline())
    return answer.raise_for_status().content


def costs_of(
    url: str, script: Path, connections: int, meter: CpuMeter, options: argparse.Namespace
) -> CostsMs:
    run_wrk(url, script, connections, WARM_UP_S)
    totals: list[float] = []
    metered_ms = 0.0
    meter.spent_ns.clear()
    for _ in range(options.runs):
        totals.append(total_ms(url, script, connections, options))
        started_s = cpu_outside_of_kernel_s()
        meter.on = True
        answered(url, script, connections, options.seconds)
        meter.on = False
        metered_ms += (cpu_outside_of_kernel_s() - started_s) * 1e3
    scale = median(totals) / metered_ms
    costs = {stage: meter.spent_ns[stage] / 1e6 * scale for stage in STAGES}
    return costs | {REST: median(totals) - sum(costs.values()), TOTAL: median(totals)}


def total_ms(url: str, script: Path, connections: int, options: argparse.Namespace) -> float:
    started_s = cpu_outside_of_kernel_s()
    requests = answered(url, script, connections, options.seconds)
    return (cpu_outside_of_kernel_s() - started_s) * 1e3 / requests


def answered(url: str, script: Path, connections: int, seconds: int) -> float:
    result = run_wrk(url, script, connections, seconds)
    if result["bad_statuses"] or result["socket_errors"]:
        sys.exit(f"not every request was answered: {result}")
    return result["requests"]


def report(costs: dict[int, CostsMs], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(costs))
        return
    print(
        f"CPU ms per request outside of the kernel, {options.candidates} candidates x "
        f"{options.behaviors} behaviors"
    )
    print(f"{'connections':16}" + "".join(f"{connections:9}" for connections in costs))
    for name in (*STAGES, REST, TOTAL, FLOOR):
        print(f"{name:16}" + "".join(f"{of[name]:9.3f}" for of in costs.values()))


if __name__ == "__main__":
    main()
