"""A service under measurement: a real process with a Redis of its own, and what it uses."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_TIMEOUT_S = 120.0
SERVE = (sys.executable, "-m", "app", "serve")


@dataclass(frozen=True)
class RunningService:
    """Where it listens, which process it is and how long it took to be ready."""

    url: str
    pid: int
    startup_s: float

    def resident_mib(self) -> tuple[float, float]:
        """Resident memory now and at its highest, from the kernel (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kib = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
        return int(kib["VmRSS"]) / 1024, int(kib["VmHWM"]) / 1024

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return metric_of(self.url, name)


def metric_of(url: str, name: str) -> float:
    """The sum of a service's metric over its labels."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    values = [
        line.rsplit(" ", 1) for line in lines if re.match(rf"{re.escape(name)}(\{{|\s)", line)
    ]
    return sum(float(value) for _, value in values)


def quiet_settings(store: Path, model: str) -> dict[str, str]:
    """Of a service with this model that logs trouble only."""
    return {
        "CTR_MODEL_STORE": str(store),
        "CTR_DEFAULT_MODEL": model,
        "CTR_LOG_LEVEL": "WARNING",
    }


@contextmanager
def running_service(
    redis_url: str, settings: Mapping[str, str], *, log: Path, command: Sequence[str] = SERVE
) -> Iterator[RunningService]:
    """`ctr-serve serve`, or what wraps it, on a free port; stopped with SIGTERM at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CTR_REDIS_URL": redis_url, **settings}
    started_s = time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log)
            yield RunningService(url, process.pid, time.monotonic() - started_s)
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            break
        try:
            httpx.get(f"{url}/health/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"the service did not become ready:\n{log.read_text()[-2000:]}")
