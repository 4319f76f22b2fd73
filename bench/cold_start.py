"""What the first requests of a process cost, beside the later ones.

The service is started again and again; each time the first hundred requests of an open loop are
measured as soon as it is ready, and then window after window of as many. Latencies count from the
intended time. The exit status is 1 if any request fails, or if the p99 of the first ones is more
than a fifth longer than that of the later ones (medians over starts, and over windows).

Example: python -m bench.cold_start --model demo --starts 10
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from app.features.embedded_redis import embedded_redis
from app.registry.model_store import ModelStore
from bench.race.client import Address, Wire, closed_loop, open_loop
from bench.race.contestants import Contestant
from bench.race.latency import Summary, summarize
from bench.race.schedule import UserStream, poisson_times
from bench.race.workload import USERS, KnownIds, Shape, make_requests, write_histories
from bench.serving import RunningService, quiet_settings, running_service

FIRST = 100  # requests, and of each later window
CONNECTIONS = 8
MAY_BE_LONGER = 0.2


@dataclass(frozen=True, slots=True)
class Start:
    """One process: its first requests, and windows of later ones."""

    first: Summary
    later: Sequence[Summary]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Medians over all starts, and over all later windows."""

    first_p50_ms: float
    later_p50_ms: float
    first_p99_ms: float
    later_p99_ms: float
    failed: int

    @classmethod
    def of(cls, starts: Sequence[Start]) -> "Verdict":
        first = [start.first for start in starts]
        later = [window for start in starts for window in start.later]
        return cls(
            first_p50_ms=float(np.median([window.p50_ms for window in first])),
            later_p50_ms=float(np.median([window.p50_ms for window in later])),
            first_p99_ms=float(np.median([window.p99_ms for window in first])),
            later_p99_ms=float(np.median([window.p99_ms for window in later])),
            failed=sum(window.requests - window.good for window in (*first, *later)),
        )

    @property
    def p99_ratio(self) -> float:
        return self.first_p99_ms / self.later_p99_ms

    def is_clean(self) -> bool:
        return not self.failed and self.p99_ratio <= 1 + MAY_BE_LONGER


def main() -> None:
    options = parse_options()
    store = ModelStore(options.store)
    artifact = store.load(options.model, store.active_versions()[options.model])
    ids, shape = KnownIds.of(artifact), Shape(options.candidates, options.behaviors, 0.0)
    settings = quiet_settings(options.store, options.model)
    users = UserStream(USERS)

    def wires(count: int) -> list[Wire]:
        requests = make_requests(shape, ids, users, count)
        return requests.wires(Contestant("", (), path="/v1/rank"))

    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        write_histories(redis_url, ids, options.behaviors)
        log = Path(folder, "log")
        with running_service(redis_url, settings, log=log) as service:
            requests_per_s = options.load * capacity_per_s(service, wires(6_000))
        starts = []
        for number in range(options.starts):
            sent = [wires(FIRST) for _ in range(1 + options.windows)]
            with running_service(redis_url, settings, log=log) as service:
                first, *later = (
                    measured(service, one, requests_per_s, seed=100 * number + window)
                    for window, one in enumerate(sent)
                )
                starts.append(Start(first, later[1:]))  # the one between belongs to neither
    verdict = Verdict.of(starts)
    report(starts, verdict, requests_per_s, as_json=options.json)
    sys.exit(0 if verdict.is_clean() else 1)


def capacity_per_s(service: RunningService, wires: Sequence[Wire]) -> float:
    for seconds in (2.0, 4.0):
        outcomes = closed_loop(address_of(service), wires, connections=CONNECTIONS, seconds=seconds)
    return summarize(outcomes).requests_per_s


def measured(
    service: RunningService, wires: Sequence[Wire], requests_per_s: float, *, seed: int
) -> Summary:
    seconds = 2 * len(wires) / requests_per_s
    times_s = poisson_times(requests_per_s, seconds, seed=seed)[: len(wires)]
    return summarize(open_loop(address_of(service), wires, times_s))


def address_of(service: RunningService) -> Address:
    url = urlsplit(service.url)
    return Address(str(url.hostname), int(url.port or 80))


def report(
    starts: Sequence[Start], verdict: Verdict, requests_per_s: float, *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps({"starts": list(map(asdict, starts)), "verdict": asdict(verdict)}))
        return
    print(f"{requests_per_s:.0f} requests/s, {FIRST} a window")
    for start in starts:
        later = " ".join(f"{window.p99_ms:.1f}" for window in start.later)
        print(f"  p99 of the first {start.first.p99_ms:.1f} ms, later {later}")
    print(f"p50 {verdict.first_p50_ms:.2f} ms of the first, {verdict.later_p50_ms:.2f} later")
    print(
        f"p99 {verdict.first_p99_ms:.2f} ms of the first, {verdict.later_p99_ms:.2f} later: "
        f"x {verdict.p99_ratio:.2f}; failed: {verdict.failed}"
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--behaviors", type=int, default=50)
    parser.add_argument("--load", type=float, default=0.4, help="of the capacity")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--windows", type=int, default=11, help="after the first requests")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    main()
