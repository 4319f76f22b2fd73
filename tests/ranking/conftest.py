"""Properties hold at any speed, coroutines run on asyncio, torch on one thread as in an engine."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True, scope="package")
def one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
