"""A real Redis that can be killed, frozen and brought back at the same address."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from app.features.embedded_redis import find_redis_server

ATTEMPTS, RETRY_EVERY_S = 500, 0.02


@dataclass(slots=True)
class StoppableRedis:
    """Listens on a Unix socket; forgets everything when it is killed."""

    socket: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self.process = subprocess.Popen(  # noqa: S603 - a binary we located
            [find_redis_server(), *arguments], cwd=self.socket.parent, stdout=subprocess.DEVNULL
        )
        with self.client() as client:
            client.ping()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def freeze(self) -> None:
        """Accepts connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self) -> Redis:
        """Patient, because the server may just be starting."""
        return Redis.from_url(self.url, retry=Retry(ConstantBackoff(RETRY_EVERY_S), ATTEMPTS))

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@contextmanager
def stoppable_redis(folder: Path) -> Iterator[StoppableRedis]:
    redis = StoppableRedis(folder / "redis.sock")
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()
