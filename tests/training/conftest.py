"""One planted world for all tests of training."""

import pytest

from tests.training.planted_world import PlantedWorld


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> PlantedWorld:
    return PlantedWorld.planted(tmp_path_factory.mktemp("planted"), click_rate=0.3)
