"""Open-loop load far beyond what the service can do, with priorities: who is answered, and when.

A closed loop finds the capacity; then requests come at its multiples, at the times of a Poisson
process, with a deadline and a priority each. Latencies count from the intended time. The client
runs on the same machine and takes a good part of it at high multiples: `client` is its share of a
core. With `--own-cpus` the service has so many for itself, and client and Redis the others, as if
they were another machine (Linux). `truncated` counts answers on any rung of the ladder.

Example: python -m bench.overload --model demo --own-cpus 1 --multiples 0.5 1 2 5 10
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from app.features.embedded_redis import embedded_redis
from app.inference.admission import PRIORITIES
from app.registry.model_store import ModelStore
from bench.race.client import Address, Wire, closed_loop, open_loop
from bench.race.contestants import Contestant
from bench.race.latency import Outcomes, Seconds, summarize
from bench.race.schedule import UserStream, poisson_times
from bench.race.workload import USERS, KnownIds, Shape, make_requests, write_histories
from bench.serving import RunningService, quiet_settings, running_service

CONNECTIONS = 8
OK, OVERLOADED = 200, 429
HEAD_END = b"\r\n\r\n"
COLUMNS = (
    *("multiple", "offered_per_s", "goodput_per_s", "p50_ms", "p99_ms", "late", "refused"),
    *("refusal_p50_ms", "truncated", "other", "client"),
)


def main() -> None:
    options = parse_options()
    store = ModelStore(options.store)
    artifact = store.load(options.model, store.active_versions()[options.model])
    ids, shape = KnownIds.of(artifact), Shape(options.candidates, options.behaviors, 0.0)
    settings = quiet_settings(options.store, options.model)
    users = UserStream(USERS)
    cpus_of_service, cpus_of_client = divided(options.own_cpus)
    os.sched_setaffinity(0, cpus_of_client)
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        write_histories(redis_url, ids, options.behaviors)
        log = Path(folder, "service.log")
        os.sched_setaffinity(0, cpus_of_service)  # whoever is started now inherits them
        with running_service(redis_url, settings, log=log) as service:
            os.sched_setaffinity(0, cpus_of_client)
            course = Course(service, ids, users, shape, options)
            course.capacity(seconds=2)
            capacity_per_s = course.capacity(seconds=options.seconds)
            print(f"capacity {capacity_per_s:.0f} requests/s with {CONNECTIONS} connections")
            rows = [course.run(multiple, capacity_per_s) for multiple in options.multiples]
            rows.append(course.run(options.multiples[0], capacity_per_s))  # and back again
    if options.json:
        print(json.dumps(rows))
        return
    print(" ".join(f"{column:>14}" for column in COLUMNS))
    for row in rows:
        print(" ".join(f"{row[column]:14.2f}" for column in COLUMNS))
        for priority in PRIORITIES:
            if f"{priority}_share" in row:
                print(f"{priority:>14}: {row[f'{priority}_share']:.1%} answered in time")


def divided(own_cpus: int) -> tuple[set[int], set[int]]:
    """The CPUs of the service, and those of everybody else; all for both where none are its own."""
    cpus = sorted(os.sched_getaffinity(0))
    if own_cpus >= len(cpus):
        sys.exit(f"there are {len(cpus)} CPUs, and the client needs one of them")
    return set(cpus[:own_cpus] or cpus), set(cpus[own_cpus:])


class Course:
    """One running service, and requests for it."""

    def __init__(
        self,
        service: RunningService,
        ids: KnownIds,
        users: UserStream,
        shape: Shape,
        options: argparse.Namespace,
    ) -> None:
        self._service = service
        self._ids = ids
        self._users = users
        self._shape = shape
        self._options = options
        url = urlsplit(service.url)
        self._address = Address(str(url.hostname), int(url.port or 80))
        self._rng = np.random.default_rng(11)

    def capacity(self, *, seconds: float) -> float:
        wires = self._wires(int(seconds * 1_500))
        outcomes = closed_loop(self._address, wires, connections=CONNECTIONS, seconds=seconds)
        return summarize(outcomes).requests_per_s

    def run(self, multiple: float, capacity_per_s: float) -> dict[str, float]:
        options = self._options
        offered_per_s = multiple * capacity_per_s
        intended_s = poisson_times(offered_per_s, options.seconds, seed=11)
        names = list(options.priorities)
        weights = np.array([options.priorities[name] for name in names])
        priority_N = self._rng.choice(len(names), len(intended_s), p=weights / weights.sum())
        wires = [
            with_headers(wire, options.deadline_ms, names[priority])
            for wire, priority in zip(self._wires(len(intended_s)), priority_N, strict=True)
        ]
        truncated = self._service.metric("ctr_degraded_total")
        cpu_s, started_s = time.process_time(), time.monotonic()
        outcomes = open_loop(self._address, wires, intended_s)
        client = (time.process_time() - cpu_s) / (time.monotonic() - started_s)
        within_s = options.deadline_ms / 1e3
        row = {
            "multiple": multiple,
            "offered_per_s": offered_per_s,
            "truncated": self._service.metric("ctr_degraded_total") - truncated,
            "client": client,
            **judged(outcomes, within_s=within_s, offered_s=options.seconds),
        }
        in_time_N = in_time(outcomes, within_s)
        for number, name in enumerate(names):
            of_name_N = priority_N == number
            if len(names) > 1:
                row[f"{name}_share"] = float(in_time_N[of_name_N].mean())
        return row

    def _wires(self, count: int) -> list[Wire]:
        requests = make_requests(self._shape, self._ids, self._users, count)
        return requests.wires(Contestant("", (), path="/v1/rank"))


def judged(outcomes: Outcomes, *, within_s: float, offered_s: float) -> dict[str, float]:
    """Good answers are 200s that came in time."""
    summary = summarize(outcomes)
    refused_N = outcomes.status_N == OVERLOADED
    waits_ms = (outcomes.done_s_N - outcomes.released_s_N)[refused_N] * 1e3
    ok_N = outcomes.status_N == OK
    return {
        "goodput_per_s": float(in_time(outcomes, within_s).sum()) / offered_s,
        "p50_ms": summary.p50_ms,
        "p99_ms": summary.p99_ms,
        "late": float((ok_N & (outcomes.latencies_s() > within_s)).sum()),
        "refused": float(refused_N.sum()),
        "refusal_p50_ms": float(np.median(waits_ms)) if len(waits_ms) else float("nan"),
        "other": float((~ok_N & ~refused_N).sum()),
    }


def in_time(outcomes: Outcomes, within_s: float) -> NDArray[np.bool_]:
    latencies_s: Seconds = outcomes.latencies_s()
    in_time_N: NDArray[np.bool_] = (outcomes.status_N == OK) & (latencies_s <= within_s)
    return in_time_N


def with_headers(wire: Wire, deadline_ms: float, priority: str) -> Wire:
    head, rest = wire
    end = head.index(HEAD_END)
    own = f"\r\nX-Deadline-Ms: {deadline_ms:g}\r\nX-Priority: {priority}".encode()
    return head[:end] + own + head[end:], rest


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--behaviors", type=int, default=50)
    parser.add_argument("--deadline-ms", type=float, default=100.0)
    parser.add_argument("--multiples", type=float, nargs="+", default=[0.5, 1, 2, 5, 10])
    parser.add_argument("--own-cpus", type=int, default=0, help="of the service alone")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument(
        "--priorities",
        type=json.loads,
        default={"normal": 1},
        help='weights, such as \'{"high": 1, "low": 9}\'',
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    return parser.parse_args()


if __name__ == "__main__":
    main()
