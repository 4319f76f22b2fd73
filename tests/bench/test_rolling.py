"""Replicas that are restarted one after the other under load, and nobody notices."""

import asyncio
from pathlib import Path

import pytest

from bench.balancer import NO_REPLICA, Balancer
from bench.rolling import Plan, roll
from tests.artifacts import publish_tiny_version


@pytest.fixture
def model_store(tmp_path: Path) -> Path:
    publish_tiny_version(tmp_path)
    return tmp_path


def test_restarts_under_load_fail_no_request(model_store: Path) -> None:
    plan = Plan(restarts=2, requests_per_s=100, delay_s=1.5)  # each of both once

    outcome = asyncio.run(roll(model_store, "tiny", plan))

    assert outcome.outcomes.keys() == {"200"}
    assert outcome.exit_statuses == [0, 0]
    assert outcome.last_answers > 0  # connections were in use when their replica was stopped
    assert outcome.is_clean()


def test_a_request_that_no_replica_is_ready_for_is_a_failure() -> None:
    balancer = Balancer([1, 2], poll_every_s=1)

    asyncio.run(balancer.post(b""))

    assert balancer.outcomes == {NO_REPLICA: 1}


def test_a_replica_that_cannot_be_reached_is_a_failure_and_not_retried() -> None:
    balancer = Balancer([1, 2], poll_every_s=1)
    for backend in balancer.backends:
        backend.is_ready = True

    asyncio.run(balancer.post(b""))

    assert balancer.outcomes == {"ConnectionRefusedError": 1}
