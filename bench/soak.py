"""A soak: minutes of load of every shape, and a line through what the process holds meanwhile.

Open loop at a share of what the service can do here: random users, numbers of candidates, inline
histories and deadlines, and clients that hang up. A burst at three times the capacity comes first.
Resident memory, descriptors beyond the clients' connections, threads, tasks, answers/s and p99 are
sampled every few seconds; after the warm-up, a line is fitted to each. The exit status is 1 if one
of them leaks: it grows for sure and by enough to matter; or if too little was answered to tell.

Example: python -m bench.soak --minutes 20
         python -m bench.soak --minutes 4 --plant-leak    must end with status 1
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import httpx
import numpy as np

from app.cli.progress import progress_bar
from app.features.embedded_redis import embedded_redis
from bench.balancer import Backend
from bench.replica import SERVE, Replica, descriptors_of
from bench.restless_load import RestlessLoad
from bench.slopes import BLOCKS, Slope, fit_slope
from bench.traffic import Traffic

LEAKY = (sys.executable, "-m", "bench.leaky_service", "serve")
DISTINCT_REQUESTS = 2000
CAPACITY_S, CAPACITY_CONNECTIONS = 8.0, 16
READY_WITHIN_S, LOOK_EVERY_S = 60.0, 0.05
SAMPLES = 12 * BLOCKS  # at least, in the part that lines are fitted to
MAX_SAMPLE_EVERY_S = 5.0
# Memory is a high-water mark, and that of random arrivals rises with each record for hours, as the
# logarithm of the time: so the largest burst that the door lets in comes first.
BURST, BURST_S = 3.0, 20.0  # times the capacity
LEAST_ANSWERED = 0.5  # of the requests, in whatever way; some hang up
WARM_UP = 0.3  # of the run: caches fill up and allocators find their size

# Bounds that are reached during the warm-up, so that filling up is not taken for a leak
SETTINGS = {
    "CTR_LOG_LEVEL": "WARNING",
    "CTR_USER_STATE_CACHE_MIB": "16",
    "CTR_STALE_HISTORY_MIB": "1",
}
# Growth per hour that matters. Time and throughput are the machine's too: they are reported only.
MATTERS_PER_HOUR = {"resident_mib": 20.0, "own_descriptors": 20.0, "threads": 3.0, "tasks": 20.0}


@dataclass(frozen=True)
class Plan:
    """How long, how much, and of what."""

    store: Path
    model: str
    minutes: float
    fraction: float  # of the capacity
    command: tuple[str, ...] = SERVE


@dataclass(frozen=True)
class Outcome:
    """What the run showed."""

    requests_per_s: float
    outcomes: dict[str, int]
    outcomes_of_burst: dict[str, int]
    exit_status: int
    slopes: dict[str, Slope]

    def leaks(self) -> list[str]:
        return [
            name
            for name, matters in MATTERS_PER_HOUR.items()
            if self.slopes[name].grows(at_least_per_hour=matters)
        ]

    def has_starved(self) -> bool:
        """Whether there was too little to do: what nobody asks for does not leak."""
        return self.slopes["answers_per_s"].mean < LEAST_ANSWERED * self.requests_per_s


def main() -> None:
    options = parse_options()
    command = LEAKY if options.plant_leak else SERVE
    plan = Plan(options.store, options.model, options.minutes, options.fraction, command)
    with progress_bar("seconds", round(options.minutes * 60)) as advance:
        outcome = asyncio.run(soak(plan, advance=advance))
    if options.json:
        print(json.dumps(asdict(outcome) | {"leaks": outcome.leaks()}))
    else:
        report(outcome)
    sys.exit(1 if outcome.leaks() or outcome.exit_status or outcome.has_starved() else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--fraction", type=float, default=0.5, help="of the capacity")
    parser.add_argument("--plant-leak", action="store_true", help="keep every body, to be caught")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


async def soak(plan: Plan, *, advance: Callable[[int], None] = lambda _: None) -> Outcome:
    traffic = Traffic(plan.store, plan.model, seed=7)
    requests = list(islice(traffic.requests(deadlines=True), DISTINCT_REQUESTS))
    settings = SETTINGS | {"CTR_MODEL_STORE": str(plan.store), "CTR_DEFAULT_MODEL": plan.model}
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        await traffic.write_histories(redis_url)
        log = Path(folder, "service.log")
        replica = Replica({**settings, "CTR_REDIS_URL": redis_url}, log, plan.command)
        await replica.start()
        try:
            await until_ready(replica)
            load = RestlessLoad(replica.port, requests)
            capacity = await load.capacity(connections=CAPACITY_CONNECTIONS, seconds=CAPACITY_S)
            if not capacity:
                raise SystemExit("the service answered nothing")
            async with loading(load, BURST * capacity):
                await asyncio.sleep(BURST_S)
            outcomes_of_burst = load.take_outcomes()
            requests_per_s = plan.fraction * capacity
            async with loading(load, requests_per_s):
                slopes = await watch(replica, load, plan.minutes * 60, advance)
            load.close()
        finally:
            exit_status = await replica.stop()
    return Outcome(requests_per_s, load.take_outcomes(), outcomes_of_burst, exit_status, slopes)


@asynccontextmanager
async def loading(load: RestlessLoad, requests_per_s: float) -> AsyncIterator[None]:
    """An open loop for as long as the context lasts."""
    task = asyncio.create_task(load.open_loop(requests_per_s))
    try:
        yield
    finally:
        task.cancel()
        await task  # raises what has ended it before its time


async def until_ready(replica: Replica) -> None:
    backend = Backend(replica.port)
    async with asyncio.timeout(READY_WITHIN_S):
        while not await backend.poll():
            if replica.has_ended():
                raise SystemExit("the service ended instead of getting ready")
            await asyncio.sleep(LOOK_EVERY_S)


async def watch(
    replica: Replica, load: RestlessLoad, seconds: float, advance: Callable[[int], None]
) -> dict[str, Slope]:
    """Samples until the end, then fits the lines."""
    every_s = min(MAX_SAMPLE_EVERY_S, seconds * (1 - WARM_UP) / SAMPLES)
    times_s: list[float] = []
    samples: dict[str, list[float]] = {}
    started_s = last_s = time.monotonic()
    async with httpx.AsyncClient(trust_env=False) as client:
        while last_s - started_s < seconds:
            await asyncio.sleep(every_s)
            now_s = time.monotonic()
            sample = await measure(replica, load, now_s - last_s, client)
            advance(round(now_s - started_s) - round(last_s - started_s))
            last_s = now_s
            if now_s - started_s > WARM_UP * seconds:
                times_s.append(now_s - started_s)
                for name, value in sample.items():
                    samples.setdefault(name, []).append(value)
    return {name: fit_slope(times_s, values) for name, values in samples.items()}


async def measure(
    replica: Replica, load: RestlessLoad, seconds: float, client: httpx.AsyncClient
) -> dict[str, float]:
    latencies_s = load.take_latencies_s()
    return {
        "resident_mib": replica.resident_mib(),
        # Of a connection each end has one: how many clients there are is the load's doing.
        "own_descriptors": replica.descriptors() - descriptors_of("self"),
        "threads": replica.threads(),
        "tasks": await tasks_of(replica, client),
        "answers_per_s": len(latencies_s) / seconds,
        "p99_ms": float(np.percentile(latencies_s, 99)) * 1e3 if latencies_s else 0.0,
    }


async def tasks_of(replica: Replica, client: httpx.AsyncClient) -> float:
    text = (await client.get(f"http://127.0.0.1:{replica.port}/metrics")).text
    return next(
        float(line.split(" ")[1])
        for line in text.splitlines()
        if line.startswith("ctr_event_loop_tasks ")
    )


def report(outcome: Outcome) -> None:
    print(f"burst: {outcome.outcomes_of_burst}")
    print(f"{outcome.requests_per_s:.0f} requests/s: {outcome.outcomes}")
    print(f"exit status of the service: {outcome.exit_status}")
    if outcome.has_starved():
        print("so few were answered that this shows nothing")
    print(f"{'':15} {'mean':>10} {'per hour':>10}   99 % interval")
    for name, slope in outcome.slopes.items():
        verdict = "leaks" if name in outcome.leaks() else "changes" * slope.is_distinguishable()
        print(
            f"{name:15} {slope.mean:10.2f} {slope.per_hour:+10.2f}   "
            f"{slope.low:+.2f} to {slope.high:+.2f}  {verdict}"
        )


if __name__ == "__main__":
    main()
