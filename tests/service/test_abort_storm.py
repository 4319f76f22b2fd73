"""A storm of clients that hang up leaves the service as it was: nothing held, nobody failed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.abort_storm import answers_by_status, holdings
from bench.aborting_clients import AbortingClients, draw_ways
from bench.serving import RunningService, running_service
from tests.api.bodies import ads, body
from tests.api.raw_http import post
from tests.eventually import eventually

CLIENTS = 300
STORM_S = 0.5
STAY_S = 0.01
HALF_SENT = CLIENTS * 4 // 5 // 3  # clients that leave while they send
AFTERWARDS = 100
WORK = body(candidates=ads(100), deadline_ms=10_000)
CONTENT = json.dumps(WORK).encode()
REQUEST = post(CONTENT, f"Content-Length: {len(CONTENT)}").replace(b"Connection: close\r\n", b"")


@pytest.fixture
def service(model_store: Path, redis_url: str, tmp_path: Path) -> Iterator[RunningService]:
    settings = {"CTR_MODEL_STORE": str(model_store), "CTR_LOG_LEVEL": "WARNING"}
    with running_service(redis_url, settings, log=tmp_path / "log") as running:
        yield running


def storm(service: RunningService, *, seed: int) -> AbortingClients:
    clients = AbortingClients(int(service.url.rpartition(":")[2]), stay_s=STAY_S)
    ways = draw_ways(CLIENTS, abort_share=0.8, seed=seed)
    times_s = [STORM_S * number / CLIENTS for number in range(CLIENTS)]
    asyncio.run(clients.storm([REQUEST], ways, times_s))
    return clients


def held_no_more_than(before: dict[str, float], now: dict[str, float]) -> bool:
    return all(now[name] <= before[name] for name in before)


def test_after_a_storm_of_hang_ups_everybody_is_answered_and_nothing_is_left(
    service: RunningService,
) -> None:
    httpx.post(f"{service.url}/v1/rank", content=CONTENT).raise_for_status()
    before = holdings(service)

    clients = storm(service, seed=1)

    eventually(lambda: answers_by_status(service).total() == 1 + CLIENTS)  # nobody is lost count of
    eventually(lambda: held_no_more_than(before, holdings(service)))
    assert clients.outcomes["200"] == CLIENTS // 5  # whoever stayed
    assert answers_by_status(service)["499"] >= HALF_SENT  # at least
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
        statuses = {client.post("/v1/rank", content=CONTENT).status_code for _ in range(AFTERWARDS)}
    assert statuses == {200}
