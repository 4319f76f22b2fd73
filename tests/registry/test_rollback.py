"""The version before comes back, without loading where it was kept, after restarts too."""

from pathlib import Path

import pytest

from app.errors import SwapRefused
from app.monitoring.metrics import Metrics
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_versions
from tests.registry.registries import active, at_rest, open_registry, settled, states

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1, 2 and 3 of "tiny", of which 1 is active."""
    return publish_tiny_versions(tmp_path, 3)


def loads_of(metrics: Metrics) -> float | None:
    name = "ctr_model_load_duration_seconds_count"
    return metrics.registry.get_sample_value(name, {"model": "tiny"})


async def test_the_version_before_is_kept_for_a_rollback(root):
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics)
    first = registry.models.route("tiny")

    await registry.activate("tiny", "2")
    kept = states(registry)
    loads = loads_of(metrics)
    back = await registry.rollback("tiny")

    assert kept == {"1": "READY", "2": "ACTIVE", "3": "STORED"}
    assert back is first
    assert registry.models.route("tiny") is first
    assert loads_of(metrics) == loads
    assert ModelStore(root).active_versions() == {"tiny": "1"}
    await registry.drain()


async def test_without_keeping_it_a_rollback_loads_it_again(root):
    registry = open_registry(root, keep_previous=False)
    first = registry.models.route("tiny")

    await registry.activate("tiny", "2")
    await settled(registry, "tiny", "1")
    alone = states(registry)
    back = await registry.rollback("tiny")

    assert alone == {"1": "STORED", "2": "ACTIVE", "3": "STORED"}
    assert active(registry) == "1"
    assert back is not first
    await registry.drain()


async def test_rolling_back_twice_goes_back_twice(root):
    registry = open_registry(root)
    for version in ("2", "3"):
        await registry.activate("tiny", version)

    await registry.rollback("tiny")
    once = active(registry)
    await registry.rollback("tiny")

    assert (once, active(registry)) == ("2", "1")
    with pytest.raises(SwapRefused, match="no version of tiny was active before tiny@1"):
        await registry.rollback("tiny")
    await registry.drain()


async def test_after_a_rollback_the_next_one_takes_no_loading_either(root):
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics)
    for version in ("2", "3"):
        await registry.activate("tiny", version)

    await registry.rollback("tiny")
    await at_rest(registry)
    once = states(registry)
    loads = loads_of(metrics)
    await registry.rollback("tiny")
    await at_rest(registry)

    assert once == {"1": "READY", "2": "ACTIVE", "3": "STORED"}
    assert states(registry) == {"1": "ACTIVE", "2": "STORED", "3": "STORED"}
    assert loads_of(metrics) == loads
    await registry.drain()


async def test_after_a_restart_a_rollback_takes_no_loading(root):
    registry = open_registry(root)
    await registry.activate("tiny", "3")
    await registry.drain()

    metrics = Metrics()
    restarted = open_registry(root, metrics=metrics)
    restarted.prepare_rollbacks()
    await at_rest(restarted)
    prepared = states(restarted)
    loads = loads_of(metrics)
    await restarted.rollback("tiny")

    assert prepared == {"1": "READY", "2": "STORED", "3": "ACTIVE"}
    assert loads_of(metrics) == loads
    await restarted.drain()


async def test_what_comes_before_and_is_refused_says_so_ahead_of_the_rollback(root, caplog):
    registry = open_registry(root)
    await registry.activate("tiny", "3")
    await registry.drain()
    weights = root / "tiny" / "1" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])

    restarted = open_registry(root)
    restarted.prepare_rollbacks()
    await at_rest(restarted)

    assert states(restarted) == {"1": "REFUSED", "2": "STORED", "3": "ACTIVE"}
    assert "a rollback is not prepared" in caplog.messages
    await restarted.drain()


async def test_a_rollback_that_overtakes_its_preparation_is_not_kept_twice(root):
    registry = open_registry(root)
    for version in ("2", "3"):
        await registry.activate("tiny", version)

    await registry.rollback("tiny")
    await registry.rollback("tiny")
    await registry.activate("tiny", "3")
    await at_rest(registry)

    assert states(registry) == {"1": "READY", "2": "STORED", "3": "ACTIVE"}
    await registry.drain()


async def test_a_restarted_service_can_still_roll_back(root):
    registry = open_registry(root)
    await registry.activate("tiny", "3")
    await registry.drain()

    restarted = open_registry(root)
    await restarted.rollback("tiny")

    assert active(restarted) == "1"
    await restarted.drain()


async def test_what_a_rollback_would_serve_stays_when_it_is_unloaded(root):
    registry = open_registry(root)
    await registry.activate("tiny", "2")

    await registry.load("tiny", "1")
    await registry.unload("tiny", "1")

    assert states(registry) == {"1": "READY", "2": "ACTIVE", "3": "STORED"}
    await registry.drain()
