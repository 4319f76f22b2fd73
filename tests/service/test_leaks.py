"""Requests of every shape leave nothing behind; a service that keeps them is found out."""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from bench.abort_storm import holdings
from bench.serving import SERVE, RunningService, running_service
from tests.api.bodies import Json, ads, body, wire_behaviors

LEAKY = (sys.executable, "-m", "bench.leaky_service", "serve")
WARM_UP, REQUESTS = 200, 400
PADDED_BYTES = 3 * 2**15  # so that what is kept shows
MAY_GROW_MIB = 20.0  # the planted leak keeps 37
BOUNDED = {"CTR_USER_STATE_CACHE_MIB": "1", "CTR_STALE_HISTORY_MIB": "1"}


@contextmanager
def running(
    model_store: Path, redis_url: str, folder: Path, runtime: str, command: Sequence[str] = SERVE
) -> Iterator[RunningService]:
    settings = {"CTR_MODEL_STORE": str(model_store), "CTR_LOG_LEVEL": "WARNING"}
    own = {**settings, **BOUNDED, "CTR_RUNTIME": runtime}
    with running_service(redis_url, own, log=folder / "log", command=command) as service:
        yield service


def drawn_body(rng: random.Random) -> Json:
    count, length = round(200 ** rng.random()), rng.randrange(40)
    behaviors = [(f"item-{rng.randrange(60)}", "category-1", time) for time in range(length)]
    stored: dict[str, Any] = {} if rng.random() < 0.3 else {"behaviors": wire_behaviors(behaviors)}
    user_id = f"user-{rng.randrange(500)}"
    return body(user_id=user_id, candidates=ads(count), explain=rng.choice((0, 3)), **stored)


def send(service: RunningService, count: int, *, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as client:
        for _ in range(count):
            content = orjson.dumps(drawn_body(rng)).ljust(PADDED_BYTES)
            client.post("/v1/rank", content=content).raise_for_status()


def growth_mib(service: RunningService) -> float:
    send(service, WARM_UP, seed=1)
    before_mib, _ = service.resident_mib()
    send(service, REQUESTS, seed=2)
    after_mib, _ = service.resident_mib()
    return after_mib - before_mib


@pytest.mark.parametrize("runtime", ["fused", "reference"])
def test_requests_of_every_shape_leave_no_memory_behind(
    model_store: Path, redis_url: str, tmp_path: Path, runtime: str
) -> None:
    with running(model_store, redis_url, tmp_path, runtime) as service:
        send(service, 1, seed=1)
        before = holdings(service)

        assert growth_mib(service) < MAY_GROW_MIB
        assert {name: holdings(service)[name] for name in ("threads", "tasks")} == {
            name: before[name] for name in ("threads", "tasks")
        }


def test_a_service_that_keeps_bodies_is_found_out(
    model_store: Path, redis_url: str, tmp_path: Path
) -> None:
    with running(model_store, redis_url, tmp_path, "fused", LEAKY) as service:
        assert growth_mib(service) > MAY_GROW_MIB
