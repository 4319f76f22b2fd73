"""A contestant's processes: started, asked until they answer, their CPU time read, stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.race.contestants import OURS, Contestant, NotStartable
from bench.race.environments import last_line
from bench.serving import metric_of

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has answered its first request."""

    contestant: Contestant
    port: int
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds of the server and everything it has started, so far (Linux)."""
        return sum(map(_cpu_s, family(self.pid)))

    def degraded(self) -> int:
        """Answers so far that did without something; only ours answers so, and says it."""
        if self.contestant.name != OURS:
            return 0
        return int(metric_of(f"http://127.0.0.1:{self.port}", "ctr_degraded_total"))


@contextmanager
def running(contestant: Contestant, port: int, first_body: bytes, log: Path) -> Iterator[Running]:
    """Raises NotStartable if it does not answer `first_body` in time."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            contestant.command,
            env={**os.environ, **contestant.variables},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, contestant, port, first_body, log)
        yield Running(contestant, port, process.pid)
    finally:
        stop(process)


def free_port() -> int:
    """Free now, with two free ones behind it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL for whoever of its family is left."""
    members = family(process.pid)
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in members:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(stat)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def _cpu_s(pid: int) -> float:
    """Its own and that of children it has waited for."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return sum(map(int, fields[11:15])) / TICKS_PER_S if fields else 0.0


def _stat(file: Path) -> list[str]:
    """From the state on, past a name that may contain blanks; nothing of a process that left."""
    try:
        return file.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _wait_until_it_answers(
    process: "subprocess.Popen[bytes]",
    contestant: Contestant,
    port: int,
    first_body: bytes,
    log: Path,
) -> None:
    give_up_s = time.monotonic() + READY_TIMEOUT_S
    url = f"http://127.0.0.1:{port}{contestant.path}"
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            raise NotStartable(f"it ended at its start: {last_line(log.read_text())}")
        try:
            httpx.post(url, content=first_body, headers=JSON, timeout=30).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise NotStartable(f"no answer within {READY_TIMEOUT_S:g} s: {last_line(log.read_text())}")


JSON = {"Content-Type": "application/json"}
