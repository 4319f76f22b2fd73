"""A service process that can be started again at the same port, and what it holds of the system."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

SERVE = (sys.executable, "-m", "app", "serve")


class Replica:
    """`ctr-serve serve`, or a command that wraps it, at a port of its own."""

    def __init__(
        self, settings: Mapping[str, str], log: Path, command: Sequence[str] = SERVE
    ) -> None:
        self.port = free_port()
        self._command = command
        self._environment = {**os.environ, **settings, "CTR_PORT": str(self.port)}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begins to load; readiness tells when it is done."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=log, stderr=log
            )

    async def stop(self) -> int:
        """Sends SIGTERM; the exit status."""
        if self._running.returncode is None:
            self._running.send_signal(signal.SIGTERM)
        return await self._running.wait()

    def has_ended(self) -> bool:
        return self._running.returncode is not None

    def resident_mib(self) -> float:
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        return self._status("Threads")

    def descriptors(self) -> int:
        return descriptors_of(self._running.pid)

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self._running.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
        if found is None:
            raise RuntimeError(f"the kernel does not tell {name}: the process has ended")
        return int(found[1])

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("it was not started")
        return self._process


def descriptors_of(pid: int | Literal["self"]) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count, no paths


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
