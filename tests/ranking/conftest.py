"""Properties hold at any speed, and coroutines run on asyncio."""

import pytest
from hypothesis import settings

settings.register_profile("any-speed", deadline=None)
settings.load_profile("any-speed")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
