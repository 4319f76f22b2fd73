"""One real Redis behind every test that needs one, emptied before each."""

from collections.abc import Iterator

import pytest
from redis import Redis

from app.features.embedded_redis import embedded_redis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with embedded_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
