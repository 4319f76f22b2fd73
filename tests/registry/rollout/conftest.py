"""Four versions of "tiny", of which the second says what the first says, and rollouts of them."""

import pytest

from app.core.calibration import Platt
from tests.artifacts import publish_tiny_version, with_the_first_active
from tests.registry.rollout.rollout_service import Service


@pytest.fixture
def root(tmp_path):
    publish_tiny_version(tmp_path)
    publish_tiny_version(tmp_path)
    publish_tiny_version(tmp_path, calibration=Platt(slope=1.0, offset=0.5))
    publish_tiny_version(tmp_path, seed=7)
    return with_the_first_active(tmp_path)


@pytest.fixture
async def service(root):
    service = Service(root)
    yield service
    await service.rollouts.close()
    await service.registry.drain()
