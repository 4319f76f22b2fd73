"""A real Redis takes the options that the stack starts it with."""

import shlex
import subprocess

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from app.features.embedded_redis import find_redis_server
from tests.deploy.deployment import SERVICES, redis_options


@pytest.fixture
def redis_of_the_stack(tmp_path):
    arguments = shlex.split(SERVICES["redis"]["command"])[1:]
    socket = tmp_path / "redis.sock"
    here = ["--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path)]
    process = subprocess.Popen(  # noqa: S603 - a binary we located, no shell
        [find_redis_server(), *arguments, *here], stdout=subprocess.DEVNULL
    )
    retry = Retry(ConstantBackoff(0.02), 500)
    with Redis.from_url(f"unix://{socket}", retry=retry, decode_responses=True) as client:
        yield client
    process.terminate()
    process.wait()


def test_redis_runs_with_the_options_of_the_stack(redis_of_the_stack):
    running = redis_of_the_stack.config_get("*")

    asked = redis_options()

    assert running["maxmemory"] == str(512 * 2**20)
    assert running["save"] == asked["save"] == ""
    for name in ("maxmemory-policy", "appendonly", "appendfsync"):
        assert running[name] == asked[name]
