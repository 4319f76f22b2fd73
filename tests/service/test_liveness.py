"""Liveness has a thread of its own: it answers when the event loop cannot, and says why."""

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from app.api.liveness import MAX_CLIENTS, liveness_answered
from app.api.server import bind
from tests.api.raw_http import parse, read_to_end
from tests.eventually import eventually
from tests.serving import ServiceProcess, client_of, service_process

SABOTAGED = (sys.executable, str(Path(__file__).with_name("sabotaged_service.py")), "serve")
GET = b"GET /health/live HTTP/1.1\r\nHost: us\r\n\r\n"


@pytest.fixture
def with_port(model_store: Path) -> Iterator[ServiceProcess]:
    settings = {"CTR_LIVENESS_PORT": "0", "CTR_LIVENESS_BLOCKED_S": "1", "PYTHONPATH": "."}
    with service_process({"CTR_MODEL_STORE": str(model_store), **settings}, SABOTAGED) as running:
        yield running


@contextmanager
def answering(blocked_s: Callable[[], float]) -> Iterator[int]:
    """The port where a thread answers for an event loop like this."""
    with (
        closing(bind("127.0.0.1", 0)) as listener,
        liveness_answered(listener, blocked_s, blocked_after_s=5) as port,
    ):
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def test_a_really_blocked_event_loop_is_told_by_how_long(with_port: ServiceProcess) -> None:
    (line,) = (line for line in with_port.log if line["message"] == "answering liveness")
    with client_of(line["port"]) as probe:
        healthy = probe.get("/health/live")

        with_port.process.send_signal(signal.SIGUSR1)
        eventually(lambda: probe.get("/health/live").status_code == 503)
        answer = probe.get("/health/live")

    assert (healthy.status_code, healthy.json()) == (200, {"status": "live"})
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == 503
    assert "the event loop has been blocked for " in problem["detail"]


def test_the_lag_of_the_event_loop_and_its_tasks_are_measured(with_port: ServiceProcess) -> None:
    service = with_port.service

    eventually(lambda: service.metric("ctr_event_loop_lag_seconds_count") >= 2)

    assert service.metric("ctr_event_loop_tasks") >= 2  # the beat, and this scrape


@pytest.mark.parametrize(
    ("blocked_s", "status"), [(0.0, 200), (4.9, 200), (5.0, 503), (3600.0, 503)]
)
def test_a_loop_is_alive_until_it_has_been_blocked_for_too_long(
    blocked_s: float, status: int
) -> None:
    with answering(lambda: blocked_s) as port, client_of(port) as probe:
        assert probe.get("/health/live").status_code == status


@pytest.mark.parametrize("blocked_s", [0.0, 3600.0])
def test_head_is_answered_as_get_without_the_body(blocked_s: float) -> None:
    with answering(lambda: blocked_s) as port:
        with connect(port) as client:
            client.sendall(GET)
            got = parse(read_to_end(client))
        with connect(port) as client:
            client.sendall(GET.replace(b"GET", b"HEAD"))
            probed = parse(read_to_end(client))

    assert probed.status == got.status
    assert probed.content == b""
    assert probed.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/metrics"), ("POST", "/health/live")]
)
def test_nothing_else_is_answered_there(method: str, path: str) -> None:
    with answering(lambda: 0.0) as port, client_of(port) as probe:
        answer = probe.request(method, path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_clients_that_say_nothing_or_half_of_it_hold_up_nobody() -> None:
    with answering(lambda: 0.0) as port, ExitStack() as stack:
        slow = [stack.enter_context(connect(port)) for _ in range(3 * MAX_CLIENTS)]
        for client in slow[MAX_CLIENTS:]:
            client.send(GET[:9])

        assert httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).is_success
        assert read_to_end(slow[0]) == b""  # made way for others
        assert read_to_end(slow[-1]) == b""  # was given up


@pytest.mark.parametrize("sent", [b"\r\n" * 10_000, b"x" * 10_000, b"\x00\r\n\r\n", b"\r\n\r\n"])
def test_what_is_not_http_harms_nothing(sent: bytes) -> None:
    with answering(lambda: 0.0) as port:
        with connect(port) as client:
            client.sendall(sent)
            assert b"HTTP/1.1 200" not in read_to_end(client)

        with connect(port) as client:
            client.sendall(GET)
            assert read_to_end(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_it_leaves_its_port_when_it_ends() -> None:
    with answering(lambda: 0.0) as port, connect(port) as waiting:
        pass

    assert waiting.fileno() == -1
    with pytest.raises(ConnectionRefusedError):
        connect(port)
