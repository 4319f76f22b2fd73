"""Real redis-server processes on loopback ports: killed, frozen and started again by tests."""

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from app.features.embedded_redis import find_redis_server

ATTEMPTS, RETRY_EVERY_S = 500, 0.02
CLUSTER_BUS_OFFSET = 10_000  # a cluster node listens there too


@dataclass(slots=True)
class RedisProcess:
    """One server with a folder and a port of its own; forgets everything when it is killed."""

    folder: Path
    port: int
    options: Sequence[str] = ()
    binary: str = field(default_factory=find_redis_server)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.run([*arguments, *self.options])
        with self.client() as client:
            client.ping()

    def run(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - a binary we located
            [self.binary, *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Accepts connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self, **options: Any) -> Redis:
        """Patient, because the server may just be starting."""
        retry = Retry(ConstantBackoff(RETRY_EVERY_S), ATTEMPTS)
        return Redis(host="127.0.0.1", port=self.port, retry=retry, protocol=2, **options)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@contextmanager
def redis_process(folder: Path, *options: str) -> Iterator[RedisProcess]:
    server = RedisProcess(folder, free_ports(1)[0], options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and nobody on those of their cluster buses either."""
    ports: list[int] = []
    while len(ports) < count:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                bus.bind(("127.0.0.1", port + CLUSTER_BUS_OFFSET))
            except (OSError, OverflowError):
                continue
        if port not in ports:
            ports.append(port)
    return ports
