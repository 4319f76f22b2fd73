"""A real process that is told to stop: it finishes what it has begun and takes its Redis along."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.api.bodies import ads, body
from tests.api.raw_http import parse, post, read_to_end
from tests.eventually import eventually
from tests.serving import RunningService, ServiceProcess, client_of, service_process

VALID = json.dumps(body()).encode()
ANNOUNCED = post(b"", f"Content-Length: {len(VALID)}", "Expect: 100-continue")
SABOTAGED = (sys.executable, str(Path(__file__).with_name("sabotaged_service.py")), "serve")
KILLED_BY = 128


@pytest.fixture
def unnoticed(model_store: Path) -> Iterator[ServiceProcess]:
    """Load balancers get more time to notice than a test takes."""
    settings = {"CTR_SHUTDOWN_DELAY_S": "300", "CTR_SHUTDOWN_GRACE_S": "600"}
    with service_process({"CTR_MODEL_STORE": str(model_store), **settings}) as running:
        yield running


def sabotaged(model_store: Path, **settings: str) -> dict[str, str]:
    return {
        "CTR_MODEL_STORE": str(model_store),
        "CTR_RUNTIME": "reference",  # torch, on threads of Python
        "CTR_PRIOR_FALLBACK": "false",
        "PYTHONPATH": ".",
        **settings,
    }


def embedded_redis_folders(folder: Path) -> list[Path]:
    return list(folder.glob("ctr-redis-*"))


def test_until_load_balancers_have_noticed_it_answers_as_before_but_is_not_ready(
    unnoticed: ServiceProcess,
) -> None:
    service = unnoticed.service
    assert service.rank(body()).headers.get("connection") != "close"  # so it is kept open

    unnoticed.process.send_signal(signal.SIGTERM)
    unnoticed.read_log_until("stopping")
    on_the_kept_connection = service.rank(body())
    readiness = service.client.get("/health/ready")

    assert on_the_kept_connection.status_code == 200
    assert on_the_kept_connection.headers["connection"] == "close"
    assert readiness.status_code == 503
    assert readiness.json()["detail"] == "draining"
    with client_of(service.port) as newcomer:
        answer = newcomer.post("/v1/rank", json=body())
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert newcomer.get("/health/live").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(unnoticed: ServiceProcess, number: signal.Signals) -> None:
    unnoticed.process.send_signal(signal.SIGTERM)
    unnoticed.read_log_until("stopping")

    assert unnoticed.stop(number) == KILLED_BY + number


def test_what_was_begun_may_end_while_nobody_is_let_in_any_more(
    model_store: Path, tmp_path: Path
) -> None:
    request = post(VALID, f"Content-Length: {len(VALID)}").replace(b"Connection: close\r\n", b"")
    settings = {"CTR_MODEL_STORE": str(model_store), "TMPDIR": str(tmp_path)}
    with (
        service_process(settings) as running,
        running.service.connect() as in_flight,
        running.service.connect() as half_a_head,
    ):
        (folder,) = embedded_redis_folders(tmp_path)
        in_flight.sendall(ANNOUNCED)
        assert in_flight.recv(2**16).startswith(b"HTTP/1.1 100")  # it is being served
        half_a_head.sendall(request[:20])
        assert running.service.client.get("/health/live").status_code == 200  # it was read

        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses_connections(running.service))
        half_a_head.sendall(request[20:])
        ended_head = parse(read_to_end(half_a_head))
        in_flight.sendall(VALID)
        finished = parse(read_to_end(in_flight))

        assert (ended_head.status, ended_head.headers["connection"]) == (200, "close")
        assert finished.status == 200
        assert len(json.loads(finished.content)["ranked"]) == 5
        assert running.end() == 0
        assert_nothing_left(folder)


def test_a_body_that_drips_does_not_outlast_the_grace_time(model_store: Path) -> None:
    settings = {"CTR_SHUTDOWN_GRACE_S": "1", "CTR_BODY_TIMEOUT_S": "300"}
    with (
        service_process({"CTR_MODEL_STORE": str(model_store), **settings}) as running,
        running.service.connect() as connection,
    ):
        connection.sendall(ANNOUNCED)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 100")
        connection.sendall(VALID[:10])

        running.process.send_signal(signal.SIGTERM)
        answer = parse(read_to_end(connection))

        assert answer.status == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.content)["title"] == "Not ready"
        assert running.end() == 1


def test_a_stuck_engine_thread_does_not_outlast_the_grace_time(
    model_store: Path, tmp_path: Path
) -> None:
    settings = sabotaged(model_store, CTR_SHUTDOWN_GRACE_S="3", TMPDIR=str(tmp_path))
    with service_process(settings, SABOTAGED) as running:
        late = running.service.rank(body(candidates=ads(13)), x_deadline_ms="50")

        assert late.status_code == 504
        assert running.stop() == 1
        assert "gave up batches that were still computed" in messages(running)
        assert embedded_redis_folders(tmp_path) == []


def test_a_blocked_event_loop_does_not_outlast_the_grace_time(model_store: Path) -> None:
    settings = sabotaged(model_store, CTR_SHUTDOWN_GRACE_S="1")
    with service_process(settings, SABOTAGED) as running:
        running.process.send_signal(signal.SIGUSR1)
        running.read_log_until("blocked")

        assert running.stop() == 1
        assert "the grace time is over, leaving at once" in messages(running)


def test_an_interrupted_process_leaves_no_redis_behind(model_store: Path, tmp_path: Path) -> None:
    settings = {"CTR_MODEL_STORE": str(model_store), "TMPDIR": str(tmp_path)}
    with service_process(settings) as running:
        (folder,) = embedded_redis_folders(tmp_path)
        assert running.service.ranking(body())["degraded"] is None

        assert running.stop(signal.SIGINT) == KILLED_BY + signal.SIGINT
        assert_nothing_left(folder)


def refuses_connections(service: RunningService) -> bool:
    with suppress(httpx.ConnectError), client_of(service.port) as client:
        client.get("/health/live")
        return False
    return True


def messages(running: ServiceProcess) -> set[str]:
    return {line["message"] for line in running.log}


def assert_nothing_left(redis_folder: Path) -> None:
    assert not redis_folder.exists()
    assert not redis_processes(redis_folder)


def redis_processes(folder: Path) -> list[str]:
    """Command lines of processes that still name the folder."""
    command_lines = (process / "cmdline" for process in Path("/proc").glob("[0-9]*"))
    texts = (line.read_bytes().decode(errors="replace") for line in command_lines if line.exists())
    return [text for text in texts if str(folder) in text]
