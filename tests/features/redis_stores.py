"""Stores on a real Redis, on one that nobody runs, and on one that never answers."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from app.features.embedded_redis import find_redis_server
from app.features.redis_store import RedisStore, connect

PATIENT_S = 30.0
IMPATIENT_S = 0.02


@asynccontextmanager
async def open_store(
    url: str, *, max_stored_behaviors: int = 50, timeout_s: float = PATIENT_S
) -> AsyncIterator[RedisStore]:
    store = RedisStore(connect(url, timeout_s=timeout_s), max_stored_behaviors=max_stored_behaviors)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def raw_client(url: str) -> Iterator["Redis"]:
    """What another program does to the same Redis."""
    with Redis.from_url(url) as client:
        yield client


def url_where_nothing_listens() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """The URL of a server that accepts every connection and never says a word."""
    connections: list[asyncio.StreamWriter] = []

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read()

    server = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in connections:
            writer.close()
            await writer.wait_closed()
        await server.wait_closed()


@contextmanager
def redis_at(socket_path: Path) -> Iterator[str]:
    """A server that can be stopped and started again at the same address."""
    arguments = ["--port", "0", "--unixsocket", str(socket_path), "--save", ""]
    process = subprocess.Popen(  # noqa: S603 - the binary that the service would start itself
        [find_redis_server(), *arguments, "--dir", str(socket_path.parent)],
        stdout=subprocess.DEVNULL,
    )
    url = f"unix://{socket_path}"
    try:
        with Redis.from_url(url, retry=Retry(ConstantBackoff(0.01), 1000)) as client:
            client.ping()
        yield url
    finally:
        process.terminate()
        process.wait()
