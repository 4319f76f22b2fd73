"""A wall clock that is set moves no deadline, no copy's age and no measured time."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from tests.api.bodies import BEHAVIORS, body, store_history
from tests.service.restless_clock_service import HOUR_S
from tests.serving import ServiceProcess, service_process

RESTLESS = (sys.executable, str(Path(__file__).with_name("restless_clock_service.py")), "serve")
REQUESTS = 30  # whose log lines fit into a pipe that nobody reads meanwhile


@pytest.fixture
def restless(model_store: Path, redis_url: str) -> Iterator[ServiceProcess]:
    settings = {"CTR_MODEL_STORE": str(model_store), "CTR_REDIS_URL": redis_url, "PYTHONPATH": "."}
    with service_process(settings, RESTLESS) as running:
        yield running


def test_a_wall_clock_that_jumps_changes_nothing(restless: ServiceProcess, redis_url: str) -> None:
    service = restless.service
    with Redis.from_url(redis_url) as redis:
        store_history(redis, "user-1", BEHAVIORS)

    answers = [service.ranking(body()) for _ in range(REQUESTS)]

    assert all(answer == {**answers[0], "request_id": answer["request_id"]} for answer in answers)
    assert answers[0]["degraded"] is None
    assert answers[0]["user"]["behaviors"] == len(BEHAVIORS)
    assert service.metric("ctr_shed_total") == 0
    for seconds in ("request_duration", "stage_duration", "event_loop_lag"):
        assert 0 <= service.metric(f"ctr_{seconds}_seconds_sum") < HOUR_S
    assert restless.stop() == 0
    assert has_jumped(restless)


def has_jumped(running: ServiceProcess) -> bool:
    """Or else the test shows nothing."""
    times = [datetime.fromisoformat(line["time"]) for line in running.log]
    return max(times) - min(times) > timedelta(seconds=HOUR_S)
