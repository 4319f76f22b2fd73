"""What every test may count on: a real Redis, one torch thread, properties without a clock."""

from collections.abc import Iterator

import hypothesis
import pytest
from redis import Redis

from app.features.embedded_redis import embedded_redis
from app.inference.torch_process import prepare_torch

hypothesis.settings.register_profile("any-speed", deadline=None)
hypothesis.settings.load_profile("any-speed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """As in an engine; more of them only fight over the machine."""
    prepare_torch(threads=1)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with embedded_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
