"""A running service: a real uvicorn server on a free port, in a thread or as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import ASGIApp

from app.api.lifecycle import Lifecycle
from app.api.server import Server, bind
from app.main import build_service, lifecycle_of
from app.settings import Settings

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
PATIENT = {
    "CTR_PORT": "0",
    "CTR_REDIS_TIMEOUT_MS": "5000",
    "CTR_DEFAULT_DEADLINE_MS": "10000",
    "CTR_SHUTDOWN_DELAY_S": "0",  # no load balancer looks
}
PROJECT = Path(__file__).parents[1]
SERVE = (sys.executable, "-m", "app", "serve")


def patient(**settings: Any) -> Settings:
    """Settings with which a busy machine fails no test: time to wait is not what is tested."""
    return Settings(**{"redis_timeout_ms": 5_000, "default_deadline_ms": 10_000} | settings)


@dataclass(frozen=True, slots=True)
class RunningService:
    """Where it listens and a client that knows."""

    port: int
    client: httpx.Client

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    def rank(self, body: Mapping[str, Any], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/v1/rank", json=body, headers=named)

    def ranking(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request that must succeed."""
        answer = self.rank(body)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def connect(self) -> socket.socket:
        """For requests that no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_TIMEOUT_S)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 where there are none."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.client.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@contextmanager
def serving(settings: Settings, redis_url: str) -> Iterator[RunningService]:
    """The service in a thread of this process; stopped gracefully at the end."""
    lifecycle = lifecycle_of(settings)
    with serving_api(build_service(settings, redis_url, lifecycle), settings, lifecycle) as running:
        yield running


@contextmanager
def serving_api(
    api: ASGIApp, settings: Settings, lifecycle: Lifecycle | None = None
) -> Iterator[RunningService]:
    """Any application behind the server that the service runs in."""
    with closing(bind("127.0.0.1", 0)) as listener:
        # Connections wait in the backlog until the server runs, so nobody has to poll.
        listener.listen()
        lifecycle = lifecycle or lifecycle_of(settings)
        server = Server.of(
            api,
            lifecycle,
            head_timeout_s=settings.head_timeout_s,
            answer_timeout_s=settings.answer_timeout_s,
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        port = listener.getsockname()[1]
        thread.start()
        try:
            with client_of(port) as client:
                client.get("/health/ready").raise_for_status()
                yield RunningService(port, client)
        finally:
            server.should_exit = True
            thread.join()


def client_of(port: int) -> httpx.Client:
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", timeout=START_TIMEOUT_S, limits=limits, trust_env=False
    )


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's, with these settings alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CTR_")}
    return {**inherited, **settings}


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """`ctr-serve serve` as its own process, with every log line that was read so far."""

    service: RunningService
    process: "subprocess.Popen[str]"
    log: list[dict[str, Any]]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal, waits for the end; the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Reads the rest of the log; the exit code."""
        self.log.extend(_lines(self.process))
        return self.process.wait(STOP_TIMEOUT_S)

    def read_log_until(self, message: str) -> None:
        _read_until(message, self.process, self.log)


@contextmanager
def service_process(
    settings: Mapping[str, str], command: Sequence[str] = SERVE
) -> Iterator[ServiceProcess]:
    """Yields once it listens, on a free port; killed at the end if it still runs."""
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=PROJECT,
        env=environment(PATIENT | settings),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        log: list[dict[str, Any]] = []
        try:
            port = _read_until("listening", process, log)["port"]
            with client_of(port) as client:
                yield ServiceProcess(RunningService(port, client), process, log)
        finally:
            process.kill()


def _lines(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stderr is not None
    return map(json.loads, process.stderr)


def _read_until(
    message: str, process: "subprocess.Popen[str]", log: list[dict[str, Any]]
) -> dict[str, Any]:
    for line in _lines(process):
        log.append(line)
        if line["message"] == message:
            return line
    raise AssertionError(f"the service ended before it said {message!r}: {log}")
