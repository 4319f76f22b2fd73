"""One running service for all tests of the HTTP edge, with the real Redis behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.artifacts import publish_tiny_version
from tests.serving import RunningService, patient, serving


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model_store")
    publish_tiny_version(root)
    return root


@pytest.fixture(scope="session")
def service(model_store: Path, redis_server: str) -> Iterator[RunningService]:
    with serving(patient(model_store=model_store), redis_server) as running:
        yield running


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client
