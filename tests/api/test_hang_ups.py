"""Many clients hang up at once, in every way: each is counted, nothing is computed for them."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.bodies import BEHAVIORS, body, wire_behaviors
from tests.api.raw_http import post
from tests.api.test_prior_answers import Opened, opened
from tests.artifacts import publish_tiny_version
from tests.eventually import eventually
from tests.fakes import StuckEngine

CLIENTS = 120
SENDING = CLIENTS // 3  # the others have sent all of it
STAYING = 20
WORK = body(behaviors=wire_behaviors(BEHAVIORS), deadline_ms=60_000)
CONTENT = json.dumps(WORK).encode()
REQUEST = post(CONTENT, f"Content-Length: {len(CONTENT)}")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: closing sends RST


@pytest.fixture
def stuck(tmp_path: Path, redis_url: str) -> Iterator[tuple[Opened, StuckEngine]]:
    """A service whose engine computes nothing until it is let go."""
    publish_tiny_version(tmp_path)
    with opened(tmp_path, redis_url, prior_fallback=True) as running:
        running.version.runtime = engine = StuckEngine(running.version.runtime)
        try:
            yield running, engine
        finally:
            engine.let_go()


def test_whoever_hangs_up_is_counted_and_what_was_queued_for_it_is_not_computed(
    stuck: tuple[Opened, StuckEngine],
) -> None:
    running, engine = stuck
    service = running.service
    with ExitStack() as clients:
        for number in range(CLIENTS):
            client = clients.enter_context(service.connect())
            client.sendall(REQUEST[:-20] if number < SENDING else REQUEST)
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        eventually(
            lambda: (
                service.metric("ctr_queue_jobs") + service.metric("ctr_batch_jobs_sum")
                == CLIENTS - SENDING
            )
        )
        eventually(lambda: service.metric("ctr_in_flight_requests") == CLIENTS)
        computing = service.metric("ctr_batch_jobs_sum")

    eventually(lambda: service.metric("ctr_requests_total", status="499") == CLIENTS)
    assert service.metric("ctr_requests_total", route="/v1/rank") == CLIENTS
    assert service.metric("ctr_in_flight_requests") == 0
    assert service.metric("ctr_in_flight_cost_seconds") == 0
    assert service.metric("ctr_queue_jobs") == service.metric("ctr_queue_cost_pairs") == 0
    engine.let_go()
    assert [service.ranking(WORK)["degraded"] for _ in range(STAYING)] == [None] * STAYING
    assert service.metric("ctr_batch_jobs_sum") == computing + STAYING
