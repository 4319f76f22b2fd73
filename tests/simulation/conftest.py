"""One default world for the statistical tests, one small world for those that write files."""

import pytest

from app.simulation.simulate import simulate
from app.simulation.world import AdWorld, WorldConfig


@pytest.fixture(scope="session")
def world() -> AdWorld:
    return simulate(WorldConfig())


@pytest.fixture(scope="session")
def small_config() -> WorldConfig:
    return WorldConfig(seed=3, users=120, items=150, categories=12, days=40)


@pytest.fixture(scope="session")
def small_world(small_config) -> AdWorld:
    return simulate(small_config)
