"""A storm of clients that hang up in the middle of their requests, and what it leaves behind.

Each round measures a steady open loop, then lets most of the clients hang up for a while (while
they send their body, while they are queued, while they are computed; by FIN and by RST), and
measures the same loop again, both after a rest. Latencies count from the intended time. The exit
status is 1 if any request of the loop after it fails, if the service holds on to anything, or if
its p99 is more than a tenth longer. `--abort-share 0` is the control: everybody stays, and all that
differs is noise.

Example: python -m bench.abort_storm --model demo --storm-s 30
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from app.features.embedded_redis import embedded_redis
from app.registry.model_store import ModelStore
from bench.aborting_clients import AbortingClients, draw_ways
from bench.race.client import Address, Wire, closed_loop, open_loop
from bench.race.contestants import Contestant
from bench.race.latency import Summary, summarize
from bench.race.schedule import UserStream, poisson_times
from bench.race.workload import USERS, KnownIds, Shape, make_requests, write_histories
from bench.serving import RunningService, quiet_settings, running_service

CONNECTIONS = 8
MAY_BE_LONGER = 0.1  # p99 after the storm
SETTLE_WITHIN_S, LOOK_EVERY_S = 5.0, 0.05
SETTLED_FOR = 3  # looks in a row
# Held by a service with nothing to do. Only memory may grow: what it bounds fills up.
HOLDINGS = {
    "in flight": "ctr_in_flight_requests",
    "in flight, s": "ctr_in_flight_cost_seconds",
    "queued": "ctr_queue_jobs",
    "queued pairs": "ctr_queue_cost_pairs",
    "tasks": "ctr_event_loop_tasks",
}
Holdings = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Round:
    """Windows of the same load before and after one storm."""

    before: Sequence[Summary]
    after: Sequence[Summary]
    clients: Mapping[str, int]  # of the storm, by what became of them
    counted: Mapping[str, int]  # by the service meanwhile: requests by status
    held_before: Holdings
    held_after: Holdings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the storms changed: medians over all windows, and what was left behind."""

    p50_before_ms: float
    p50_after_ms: float
    p99_before_ms: float
    p99_after_ms: float
    failed_after: int
    left: Mapping[str, float]

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> "Verdict":
        before = [window for one in rounds for window in one.before]
        after = [window for one in rounds for window in one.after]
        return cls(
            p50_before_ms=float(np.median([window.p50_ms for window in before])),
            p50_after_ms=float(np.median([window.p50_ms for window in after])),
            p99_before_ms=float(np.median([window.p99_ms for window in before])),
            p99_after_ms=float(np.median([window.p99_ms for window in after])),
            failed_after=sum(window.requests - window.good for window in after),
            left=left_behind(rounds),
        )

    @property
    def p99_ratio(self) -> float:
        return self.p99_after_ms / self.p99_before_ms

    def is_clean(self) -> bool:
        return not self.failed_after and not self.left and self.p99_ratio <= 1 + MAY_BE_LONGER


def left_behind(rounds: Sequence[Round]) -> dict[str, float]:
    """What the service held more of after the storms than before; the worst of them."""
    more = {
        name: max(one.held_after[name] - one.held_before[name] for one in rounds)
        for name in rounds[0].held_before
    }
    return {name: count for name, count in more.items() if count > 0}


def main() -> None:
    options = parse_options()
    store = ModelStore(options.store)
    artifact = store.load(options.model, store.active_versions()[options.model])
    ids, shape = KnownIds.of(artifact), Shape(options.candidates, options.behaviors, 0.0)
    settings = quiet_settings(options.store, options.model)
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        write_histories(redis_url, ids, options.behaviors)
        with running_service(redis_url, settings, log=Path(folder, "log")) as service:
            course = Course(service, ids, shape, options)
            capacity_per_s = course.capacity()
            course.warm_up(capacity_per_s)
            rounds = [course.round(capacity_per_s) for _ in range(options.rounds)]
    verdict = Verdict.of(rounds)
    if options.json:
        result = {"capacity_per_s": capacity_per_s, "rounds": list(map(asdict, rounds))}
        print(json.dumps(result | {"verdict": asdict(verdict)}))
    else:
        report(rounds, verdict, capacity_per_s)
    sys.exit(0 if verdict.is_clean() else 1)


class Course:
    """One running service, and clients for it."""

    def __init__(
        self, service: RunningService, ids: KnownIds, shape: Shape, options: argparse.Namespace
    ) -> None:
        url = urlsplit(service.url)
        self._service = service
        self._address = Address(str(url.hostname), int(url.port or 80))
        self._ids = ids
        self._shape = shape
        self._users = UserStream(USERS)
        self._options = options
        self._seed = 11

    def capacity(self) -> float:
        """Answers per second of a closed loop, once it is warm."""
        for seconds in (2.0, 4.0):
            wires = self._wires(int(seconds * 1_500))
            outcomes = closed_loop(self._address, wires, connections=CONNECTIONS, seconds=seconds)
        return summarize(outcomes).requests_per_s

    def warm_up(self, capacity_per_s: float) -> None:
        """What a service opens for a storm and keeps has been opened."""
        self._storm(self._options.storm * capacity_per_s, 1.0, stay_s=1.0 / capacity_per_s)

    def round(self, capacity_per_s: float) -> Round:
        options = self._options
        calm_per_s = options.load * capacity_per_s
        held_before = self._settled()
        before = self._windows(calm_per_s)
        counted_before = answers_by_status(self._service)
        stay_s = float(np.median([window.p50_ms for window in before])) / 1e3
        clients = self._storm(options.storm * capacity_per_s, options.storm_s, stay_s)
        held_after = self._settled(like=held_before)
        counted = answers_by_status(self._service) - counted_before
        after = self._windows(calm_per_s)
        return Round(before, after, clients, dict(counted), held_before, held_after)

    def _windows(self, requests_per_s: float) -> list[Summary]:
        time.sleep(self._options.rest_s)  # a busy virtual machine is given less for a while
        return [self._window(requests_per_s) for _ in range(self._options.windows)]

    def _window(self, requests_per_s: float) -> Summary:
        times_s = poisson_times(requests_per_s, self._options.window_s, seed=self._next_seed())
        return summarize(open_loop(self._address, self._wires(len(times_s)), times_s))

    def _storm(self, requests_per_s: float, seconds: float, stay_s: float) -> dict[str, int]:
        times_s = poisson_times(requests_per_s, seconds, seed=self._next_seed())
        share = self._options.abort_share
        ways = draw_ways(len(times_s), abort_share=share, seed=self._next_seed())
        requests = [b"".join(wire) for wire in self._wires(len(times_s))]
        clients = AbortingClients(self._address.port, stay_s=stay_s)
        asyncio.run(clients.storm(requests, ways, times_s.tolist()))
        return dict(clients.outcomes)

    def _settled(self, like: Holdings | None = None) -> Holdings:
        """What it holds once that does not change any more, or is no more than `like`."""
        give_up_s = time.monotonic() + SETTLE_WITHIN_S
        held: list[Holdings] = []
        while time.monotonic() < give_up_s:
            time.sleep(LOOK_EVERY_S)
            held.append(holdings(self._service))
            last = held[-SETTLED_FOR:]
            no_more = like is None or all(last[-1][name] <= like[name] for name in like)
            if no_more and len(last) == SETTLED_FOR and all(one == last[0] for one in last):
                break
        return held[-1]

    def _wires(self, count: int) -> list[Wire]:
        requests = make_requests(self._shape, self._ids, self._users, count)
        return requests.wires(Contestant("", (), path="/v1/rank"))

    def _next_seed(self) -> int:
        self._seed += 1
        return self._seed


def holdings(service: RunningService) -> dict[str, float]:
    process = Path(f"/proc/{service.pid}")
    return {
        **{name: service.metric(metric) for name, metric in HOLDINGS.items()},
        "threads": len(list(process.joinpath("task").iterdir())),
        "descriptors": len(list(process.joinpath("fd").iterdir())),
    }


def answers_by_status(service: RunningService) -> "Counter[str]":
    """Rank requests that the service has counted."""
    text = httpx.get(f"{service.url}/metrics").text
    lines = re.findall(r'ctr_requests_total\{route="/v1/rank",status="(\d+)"\} (\S+)', text)
    return Counter({status: int(float(count)) for status, count in lines})


def report(rounds: Sequence[Round], verdict: Verdict, capacity_per_s: float) -> None:
    print(f"capacity {capacity_per_s:.0f} requests/s with {CONNECTIONS} connections")
    for number, one in enumerate(rounds, 1):
        print(f"round {number}")
        for name, windows in (("before", one.before), ("after", one.after)):
            for window in windows:
                print(
                    f"  {name:7} {window.good}/{window.requests} good, p50 {window.p50_ms:.2f} ms, "
                    f"p99 {window.p99_ms:.2f} ms, the client late by {window.send_lag_p99_ms:.2f}"
                )
        print(f"  clients of the storm    {dict(sorted(one.clients.items()))}")
        print(f"  counted by the service  {dict(sorted(one.counted.items()))}")
        print(f"  held before {dict(one.held_before)}")
        print(f"  held after  {dict(one.held_after)}")
    print(f"p50 {verdict.p50_before_ms:.2f} ms before, {verdict.p50_after_ms:.2f} after")
    print(
        f"p99 {verdict.p99_before_ms:.2f} ms before, {verdict.p99_after_ms:.2f} after: "
        f"x {verdict.p99_ratio:.3f}"
    )
    print(f"failed after a storm: {verdict.failed_after}; left behind: {dict(verdict.left) or 0}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--behaviors", type=int, default=50)
    parser.add_argument("--load", type=float, default=0.4, help="of the capacity, when measured")
    parser.add_argument("--storm", type=float, default=1.0, help="of the capacity, in a storm")
    parser.add_argument("--abort-share", type=float, default=0.8, help="of the storm's clients")
    parser.add_argument("--storm-s", type=float, default=30.0)
    parser.add_argument("--rest-s", type=float, default=5.0, help="before the windows")
    parser.add_argument("--window-s", type=float, default=6.0)
    parser.add_argument("--windows", type=int, default=2, help="before and after each storm")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    main()
