"""What `bench.instructions` runs under valgrind: the same requests, whole and stage by stage."""

import argparse
import gc
from pathlib import Path

import uvloop

from app.main import build_service, lifecycle_of
from app.monitoring.logs import configure_logging
from app.settings import Settings
from bench.callgrind import Counter
from bench.instruction_stages import EVERYTHING, STAGES
from bench.replays import recorded, replay
from bench.without_sockets import rank_all, stub_for_kernel

# Everything is slow here, and nothing of it shall be late.
PATIENT_MS = 60_000
WARM_UPS = 2  # the first one fills caches


def main() -> None:
    options = parse_options()
    configure_logging("INFO", path=str(options.folder / "service.log"))
    with stub_for_kernel():
        uvloop.run(count(options))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--redis", required=True, help="URL of the one that has the histories")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="with bodies.jsonl and the shim")
    return parser.parse_args()


async def count(options: argparse.Namespace) -> None:
    settings = Settings(
        model_store=options.store,
        default_model=options.model,
        runtime="fused",
        engine_threads=2,  # not as many as this machine would have
        default_deadline_ms=PATIENT_MS,
        max_deadline_ms=PATIENT_MS,
        redis_timeout_ms=2_000,
    )
    # Nobody starts its lifespan: a heart that beats beside the requests would be counted too.
    service = build_service(settings, options.redis, lifecycle_of(settings))
    bodies = (options.folder / "bodies.jsonl").read_bytes().splitlines()[: options.requests]
    for _ in range(WARM_UPS):
        await rank_all(service, bodies, options.connections)
    with recorded(STAGES) as calls:
        await rank_all(service, bodies, options.connections)
    await rank_all(service, bodies, options.connections)  # the functions are new to the interpreter
    # As a server does before the first request.
    gc.collect()
    gc.freeze()
    counter = Counter(options.folder)
    with counter.at_work():
        with counter.counting(EVERYTHING):
            await rank_all(service, bodies, options.connections)
        for stage in STAGES:
            gc.collect()
            with counter.counting(stage):
                replay(calls[stage])


if __name__ == "__main__":
    main()
