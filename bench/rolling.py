"""Rolling restarts under load: two replicas behind a round-robin, SIGTERM to one after the other.

Prints what became of every request, how long draining took and the latencies; the exit status is 1
if any request failed or any replica did not end cleanly. Requests are never retried.

Example: python -m bench.rolling --restarts 100
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from app.cli.progress import progress_bar
from app.features.embedded_redis import embedded_redis
from bench.balancer import Balancer
from bench.replica import Replica
from bench.traffic import Traffic

READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
SETTLE_S = 0.3  # both replicas answer for so long before the next one is stopped
DISTINCT_REQUESTS = 500


@dataclass(frozen=True)
class Plan:
    """How often, and what goes on meanwhile."""

    restarts: int = 100
    requests_per_s: float = 200
    delay_s: float = 0.5  # CTR_SHUTDOWN_DELAY_S
    poll_every_s: float = 0.1  # of readiness


@dataclass
class Outcome:
    """What the restarts did to the requests."""

    restarts: int
    requests: int = 0
    failed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    exit_statuses: list[int] = field(default_factory=list)
    last_answers: int = 0
    drain_s_median: float = 0.0
    drain_s_max: float = 0.0
    latency_ms_p50: float = 0.0
    latency_ms_p99: float = 0.0
    latency_ms_max: float = 0.0

    def is_clean(self) -> bool:
        return self.requests > 0 and not self.failed and not any(self.exit_statuses)


def main() -> None:
    options = parse_options()
    with progress_bar("restarts", options.restarts) as advance:
        outcome = asyncio.run(roll(options.store, options.model, plan_of(options), advance=advance))
    if options.json:
        print(json.dumps(asdict(outcome)))
    else:
        for name, value in asdict(outcome).items():
            print(f"  {name:18} {value if name != 'exit_statuses' else sorted(set(value))}")
    sys.exit(0 if outcome.is_clean() else 1)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--restarts", type=int, default=Plan.restarts)
    parser.add_argument("--requests-per-s", type=float, default=Plan.requests_per_s)
    parser.add_argument("--delay-s", type=float, default=Plan.delay_s, help="CTR_SHUTDOWN_DELAY_S")
    parser.add_argument(
        "--poll-every-s", type=float, default=Plan.poll_every_s, help="of readiness"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    return Plan(
        restarts=options.restarts,
        requests_per_s=options.requests_per_s,
        delay_s=options.delay_s,
        poll_every_s=options.poll_every_s,
    )


async def roll(
    store: Path,
    model: str,
    plan: Plan,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Two processes, one Redis, and load from before the first restart until after the last."""
    settings = {
        "CTR_MODEL_STORE": str(store),
        "CTR_DEFAULT_MODEL": model,
        "CTR_LOG_LEVEL": "WARNING",
        "CTR_SHUTDOWN_DELAY_S": str(plan.delay_s),
    }
    traffic = Traffic(store, model, seed=7)
    outcome, drains_s = Outcome(plan.restarts), []
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        await traffic.write_histories(redis_url)
        settings["CTR_REDIS_URL"] = redis_url
        replicas = [Replica(settings, Path(folder, f"{number}.log")) for number in range(2)]
        balancer = Balancer([replica.port for replica in replicas], poll_every_s=plan.poll_every_s)
        async with running(replicas, balancer):
            requests = list(islice(traffic.requests(), DISTINCT_REQUESTS))
            load = asyncio.create_task(send(balancer, requests, plan.requests_per_s))
            for turn in range(plan.restarts):
                await asyncio.sleep(SETTLE_S)
                replica = replicas[turn % len(replicas)]
                stopped_s = time.monotonic()
                outcome.exit_statuses.append(await replica.stop())
                drains_s.append(time.monotonic() - stopped_s)
                await replica.start()
                await until_ready(replicas, balancer)
                advance(1)
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
    count(outcome, balancer, drains_s)
    return outcome


@asynccontextmanager
async def running(replicas: Sequence[Replica], balancer: Balancer) -> AsyncIterator[None]:
    """All of them, ready; stopped at the end."""
    for replica in replicas:
        await replica.start()
    watching = asyncio.create_task(balancer.watch())
    try:
        await until_ready(replicas, balancer)
        yield
    finally:
        watching.cancel()
        balancer.close()
        await asyncio.gather(*(replica.stop() for replica in replicas))


async def until_ready(replicas: Sequence[Replica], balancer: Balancer) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while not all(backend.is_ready for backend in balancer.backends):
            if any(replica.has_ended() for replica in replicas):
                raise SystemExit("a replica ended instead of getting ready")
            await asyncio.sleep(LOOK_EVERY_S)


async def send(balancer: Balancer, requests: Sequence[bytes], requests_per_s: float) -> None:
    """Open loop: at their times, however long the answers take; waits for all when cancelled."""
    rng = random.Random(7)  # noqa: S311 - not for secrets
    due_s = time.monotonic()
    async with asyncio.TaskGroup() as under_way:
        try:
            for number in iter(int, 1):
                due_s += rng.expovariate(requests_per_s)
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                under_way.create_task(balancer.post(requests[number % len(requests)]))
        except asyncio.CancelledError:
            return


def count(outcome: Outcome, balancer: Balancer, drains_s: Sequence[float]) -> None:
    outcome.outcomes = dict(balancer.outcomes)
    outcome.requests = balancer.outcomes.total()
    outcome.failed = outcome.requests - balancer.outcomes["200"]
    outcome.last_answers = balancer.last_answers
    outcome.drain_s_median = round(float(np.median(drains_s)), 3)
    outcome.drain_s_max = round(float(np.max(drains_s)), 3)
    latencies_ms = np.array(balancer.latencies_s) * 1e3
    p50, p99 = np.percentile(latencies_ms, [50, 99]).round(2)
    outcome.latency_ms_p50, outcome.latency_ms_p99 = float(p50), float(p99)
    outcome.latency_ms_max = round(float(latencies_ms.max()), 2)


if __name__ == "__main__":
    main()
