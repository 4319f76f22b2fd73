"""What a shadow of all traffic costs live requests: latencies with one and without, in turns.

Example: python -m bench.shadow_cost --requests-per-s 150 --seconds 15
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np

from app.features.embedded_redis import embedded_redis
from app.registry.model_store import ModelStore
from bench.rollout import CONNECTIONS, KEY, NAME, ask, publish_challengers
from bench.serving import RunningService, running_service
from bench.traffic import Traffic

ROUNDS = 3


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(run(options, Path(folder)))
    for one in rounds:
        print(json.dumps(one))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"), help="with a demo model")
    parser.add_argument("--requests-per-s", type=float, default=150.0)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn")
    return parser.parse_args()


async def run(options: argparse.Namespace, folder: Path) -> list[dict[str, float | str]]:
    store = folder / "store"
    versions = publish_challengers(ModelStore(options.store), ModelStore(store))
    settings = {
        "CTR_MODEL_STORE": str(store),
        "CTR_ADMIN_KEY": KEY,
        "CTR_ROLLOUT_MIN_S": "100000",  # it is never decided
        "CTR_LOG_LEVEL": "WARNING",
    }
    traffic = Traffic(store, NAME, seed=1)
    rounds: list[dict[str, float | str]] = []
    with (
        embedded_redis() as redis_url,
        running_service(redis_url, settings, log=folder / "log") as service,
    ):
        await traffic.write_histories(redis_url)
        await measure(service, traffic.requests(), options.requests_per_s, 3.0)
        for _ in range(ROUNDS):
            for shadow in (False, True):
                await set_shadow(service, versions["equal"], on=shadow)
                before = service.metric("ctr_rollout_copies_total")
                found = await measure(
                    service, traffic.requests(), options.requests_per_s, options.seconds
                )
                copied = service.metric("ctr_rollout_copies_total") - before
                rounds.append({"shadow": str(shadow), **found, "copies asked for": copied})
    return rounds


async def set_shadow(service: RunningService, version: str, *, on: bool) -> None:
    plan = {"version": version, "mode": "shadow", "percent": 100 if on else 0}
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.put(
            f"{service.url}/v1/models/{NAME}/rollout", json=plan, headers={"X-Admin-Key": KEY}
        )
        answer.raise_for_status()


async def measure(
    service: RunningService, requests: Iterator[bytes], requests_per_s: float, seconds: float
) -> dict[str, float]:
    port = int(service.url.rsplit(":", 1)[1])
    latencies_s: list[float] = []
    every_s = CONNECTIONS / requests_per_s
    clients = [
        asyncio.create_task(ask(port, requests, every_s, latencies_s)) for _ in range(CONNECTIONS)
    ]
    started_s = time.perf_counter()
    await asyncio.sleep(seconds)
    taken_s = time.perf_counter() - started_s
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    p50, p99 = np.percentile(latencies_s, [50, 99]) * 1e3
    return {"requests/s": len(latencies_s) / taken_s, "p50 ms": p50, "p99 ms": p99}


if __name__ == "__main__":
    main()
