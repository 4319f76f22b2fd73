"""Swaps under load: one version takes over from another again and again while requests go on.

Every answer is compared with what the version that it names says offline. Latencies during swaps
are paired with those of the quiet time right before each. The exit status is 1 if any request
failed, any answer was not that of its version, p99 rose to more than 1.5 times, or memory grew by
1 MB a swap.

Each swap loads its version anew, unless --keep-previous.

Example: python -m bench.swaps --swaps 100
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path

import httpx
import numpy as np

from app.cli.progress import progress_bar
from app.features.embedded_redis import embedded_redis
from app.registry.model_store import ModelStore
from bench.known_requests import KnownRequest, known_requests
from bench.replica import Replica
from bench.second_version import store_with_two_versions

KEY = "the key of a bench"
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
MOST_P99_TIMES, MOST_MIB_PER_SWAP = 1.5, 1e6 / 2**20
LETTING_GO_S = 0.1  # of the version before
WARM_UP_SWAPS = 10  # after which the allocator has what it needs


@dataclass(frozen=True)
class Plan:
    """How often, and what goes on meanwhile."""

    swaps: int = 100
    requests_per_s: float = 150
    quiet_s: float = 0.5  # before each swap
    candidates: int = 100
    behaviors: int = 50
    keep_previous: bool = False
    items: int = 0  # more in the vocabulary


@dataclass
class Outcome:
    """What the swaps did to the requests."""

    swaps: int
    requests: int = 0
    failed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)  # answers, by what is wrong with them
    versions: dict[str, int] = field(default_factory=dict)
    swap_ms_median: float = 0.0
    swap_ms_max: float = 0.0
    quiet_ms_p50: float = 0.0
    quiet_ms_p99: float = 0.0
    swap_requests: int = 0  # that came while a version was loaded or let go
    swap_requests_ms_p50: float = 0.0
    swap_requests_ms_p99: float = 0.0
    p99_times: float = 0.0
    resident_mib: float = 0.0
    mib_per_swap: float = 0.0
    threads: tuple[int, int] = (0, 0)  # after the warm-up and at the end
    descriptors: tuple[int, int] = (0, 0)

    def is_good(self) -> bool:
        return (
            self.requests > 0
            and not self.failed
            and not self.wrong
            and self.p99_times <= MOST_P99_TIMES
            and self.mib_per_swap < MOST_MIB_PER_SWAP
        )


class Client:
    """Sends requests in an open loop, each once, and judges every answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.outcomes: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.latencies_s: list[tuple[float, float]] = []  # when it was due, and how long it took

    async def send(self, requests: Sequence[KnownRequest], requests_per_s: float) -> None:
        """At their times, however long the answers take; waits for all when cancelled."""
        rng = random.Random(7)  # noqa: S311 - not for secrets
        due_s = time.perf_counter()
        async with asyncio.TaskGroup() as under_way:
            try:
                for request in cycle(requests):
                    due_s += rng.expovariate(requests_per_s)
                    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                    under_way.create_task(self._post(request, due_s))
            except asyncio.CancelledError:
                return

    async def _post(self, request: KnownRequest, due_s: float) -> None:
        try:
            status, body = await self._exchange(request.content)
        except (OSError, EOFError) as error:
            self.outcomes[type(error).__name__] += 1
            return
        self.latencies_s.append((due_s, time.perf_counter() - due_s))
        self.outcomes[str(status)] += 1
        if status == 200:
            self.versions[json.loads(body)["model"]["version"]] += 1
            wrong = request.judge(body)
            if wrong is not None:
                self.wrong[wrong] += 1

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = (
            self._idle.pop()
            if self._idle
            else await asyncio.open_connection("127.0.0.1", self._port)
        )
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        self._idle.append((reader, writer))
        return int(head[9:12]), body

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


def main() -> None:
    options = parse_options()
    plan = Plan(
        swaps=options.swaps,
        requests_per_s=options.requests_per_s,
        keep_previous=options.keep_previous,
        items=options.items,
    )
    outcome = asyncio.run(swap_under_load(options.store, options.model, plan))
    if options.json:
        print(json.dumps(asdict(outcome)))
    else:
        for name, value in asdict(outcome).items():
            print(f"  {name:22} {value}")
    sys.exit(0 if outcome.is_good() else 1)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--swaps", type=int, default=Plan.swaps)
    parser.add_argument("--requests-per-s", type=float, default=Plan.requests_per_s)
    parser.add_argument(
        "--items", type=int, default=Plan.items, help="so many more in the vocabulary"
    )
    parser.add_argument("--keep-previous", action="store_true", help="swaps then load nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


async def swap_under_load(source: Path, model: str, plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        root = Path(folder, "store")
        versions = store_with_two_versions(source, model, root, items=plan.items)
        shape = (plan.candidates, plan.behaviors)
        requests = known_requests(ModelStore(root), model, versions, shape, count=200)
        replica = Replica(
            {
                "CTR_MODEL_STORE": str(root),
                "CTR_DEFAULT_MODEL": model,
                "CTR_LOG_LEVEL": "WARNING",
                "CTR_ADMIN_KEY": KEY,
                "CTR_KEEP_PREVIOUS_VERSION": str(plan.keep_previous),
                "CTR_REDIS_URL": redis_url,
            },
            Path(folder, "service.log"),
        )
        await replica.start()
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{replica.port}",
                headers={"Authorization": f"Bearer {KEY}"},
                timeout=READY_WITHIN_S,
            ) as operator:
                await until_ready(operator, replica)
                return await measure(operator, replica, requests, (model, versions), plan)
        finally:
            await replica.stop()


async def measure(
    operator: httpx.AsyncClient,
    replica: Replica,
    requests: Sequence[KnownRequest],
    what: tuple[str, tuple[str, str]],
    plan: Plan,
) -> Outcome:
    model, versions = what
    client, outcome = Client(replica.port), Outcome(plan.swaps)
    resident_mib, spans_s = [], []
    before = 0, 0
    load = asyncio.create_task(client.send(requests, plan.requests_per_s))
    with progress_bar("swaps", plan.swaps) as advance:
        for number in range(WARM_UP_SWAPS + plan.swaps):
            if number == WARM_UP_SWAPS:
                before = replica.threads(), replica.descriptors()
            await asyncio.sleep(plan.quiet_s)
            spans_s.append(await swap(operator, model, versions[(number + 1) % 2]))
            resident_mib.append(replica.resident_mib())
            advance(number >= WARM_UP_SWAPS)
        await asyncio.sleep(plan.quiet_s)
        outcome.threads = before[0], replica.threads()
        outcome.descriptors = before[1], replica.descriptors()
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    client.close()
    count(outcome, client, spans_s[WARM_UP_SWAPS:], plan.quiet_s)
    outcome.resident_mib = round(resident_mib[-1], 1)
    grown = np.polyfit(range(plan.swaps), resident_mib[WARM_UP_SWAPS:], 1)[0]
    outcome.mib_per_swap = round(float(grown), 4)
    return outcome


async def swap(operator: httpx.AsyncClient, model: str, version: str) -> tuple[float, float]:
    """When it was asked for, and when it was answered."""
    asked_s = time.perf_counter()
    answer = await operator.post(f"/v1/models/{model}/versions/{version}/activate")
    if answer.status_code != 200:
        raise SystemExit(f"the swap was refused: {answer.text}")
    return asked_s, time.perf_counter()


async def until_ready(operator: httpx.AsyncClient, replica: Replica) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while not replica.has_ended():
            try:
                if (await operator.get("/health/ready")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(LOOK_EVERY_S)
    raise SystemExit("the service ended instead of getting ready")


def count(
    outcome: Outcome,
    client: Client,
    spans_s: Sequence[tuple[float, float]],
    quiet_s: float,
) -> None:
    outcome.outcomes = dict(client.outcomes)
    outcome.requests = client.outcomes.total()
    outcome.failed = outcome.requests - client.outcomes["200"]
    outcome.wrong = dict(client.wrong)
    outcome.versions = dict(client.versions)
    swaps_ms = np.array([answered - asked for asked, answered in spans_s]) * 1e3
    outcome.swap_ms_median = round(float(np.median(swaps_ms)), 1)
    outcome.swap_ms_max = round(float(swaps_ms.max()), 1)
    due_s, took_s = np.array(client.latencies_s).T
    quiet = np.zeros(len(due_s), bool)
    swapping = np.zeros(len(due_s), bool)
    for asked, answered in spans_s:
        swapping |= (due_s >= asked) & (due_s <= answered + LETTING_GO_S)
        quiet |= (due_s >= asked - quiet_s / 2) & (due_s < asked)  # the other half is its wake
    p50, p99 = np.percentile(took_s[quiet] * 1e3, [50, 99]).round(2)
    outcome.quiet_ms_p50, outcome.quiet_ms_p99 = float(p50), float(p99)
    p50, p99 = np.percentile(took_s[swapping] * 1e3, [50, 99]).round(2)
    outcome.swap_requests = int(swapping.sum())
    outcome.swap_requests_ms_p50, outcome.swap_requests_ms_p99 = float(p50), float(p99)
    outcome.p99_times = round(outcome.swap_requests_ms_p99 / outcome.quiet_ms_p99, 3)


if __name__ == "__main__":
    main()
