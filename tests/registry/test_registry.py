"""Versions are loaded, become active, are taken back and are let go, while requests go on."""

import asyncio
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from app.core.deadline import Deadline, StageTimes
from app.errors import (
    NotReady,
    NotStored,
    SwapRefused,
    UnknownModel,
    UnknownVersion,
    VersionRefused,
)
from app.monitoring.metrics import Metrics
from app.registry import loading
from app.registry.model_store import ModelStore
from app.registry.servable import ScoredRequest, Servable
from app.registry.version_states import VersionKey
from tests.artifacts import publish_tiny_version, publish_tiny_versions
from tests.registry.registries import active, open_registry, settled, states
from tests.registry.servables import Request, direct_scores, draw_requests

pytestmark = pytest.mark.anyio

PATIENT_S = 30.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1, 2 and 3 of "tiny", of which 1 is active; each scores as no other does."""
    return publish_tiny_versions(tmp_path, 3)


async def ask(servable: Servable, request: Request) -> ScoredRequest:
    with servable:
        return await servable.score(*request, Deadline.after(PATIENT_S), StageTimes())


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_at_the_start_the_active_version_is_the_only_one_in_memory(root):
    registry = open_registry(root)

    assert states(registry) == {"1": "ACTIVE", "2": "STORED", "3": "STORED"}
    await registry.drain()


async def test_an_activated_version_scores_and_is_served_after_a_restart(root):
    registry = open_registry(root)
    (request,) = draw_requests(1)

    servable = await registry.activate("tiny", "2")

    assert registry.models.route("tiny") is servable
    assert ModelStore(root).active_versions() == {"tiny": "2"}
    alone = direct_scores(ModelStore(root).load("tiny", "2"), [request])[0]
    answer = await ask(servable, request)
    np.testing.assert_allclose(answer.scores.logits_C, alone.logits_C, atol=1e-6)
    await registry.drain()


async def test_whoever_holds_the_old_version_is_scored_by_it_to_the_end(root):
    registry = open_registry(root, keep_previous=False)
    request = draw_requests(1)[0]
    expected = {
        version: direct_scores(ModelStore(root).load("tiny", version), [request])[0].logits_C
        for version in ("1", "2")
    }

    with registry.models.route("tiny") as old:
        await registry.activate("tiny", "2")
        during = states(registry)["1"]
        late = await old.score(*request, Deadline.after(PATIENT_S), StageTimes())
    new = await ask(registry.models.route("tiny"), request)
    await settled(registry, "tiny", "1")

    assert during == "DRAINING"
    np.testing.assert_allclose(late.scores.logits_C, expected["1"], atol=1e-6)
    np.testing.assert_allclose(new.scores.logits_C, expected["2"], atol=1e-6)
    assert states(registry)["1"] == "STORED"
    with pytest.raises(NotReady):
        await ask(old, request)
    await registry.drain()


async def test_nothing_is_left_of_a_version_that_was_let_go(root):
    """Not even for the garbage collector, which never looks at what was there at the start."""
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics, keep_previous=False)
    old = registry.models.route("tiny")
    cache = old._user_states
    await asyncio.gather(*(ask(old, request) for request in draw_requests(20)))
    kept_bytes = sample(metrics, "ctr_user_state_memory_bytes")
    threads = weakref.ref(old._batcher._workers)
    version, servable = weakref.ref(old.version), weakref.ref(old)
    runtime = weakref.ref(old.version.runtime)
    del old

    gc.collect()
    gc.disable()
    try:
        await registry.activate("tiny", "2")
        await settled(registry, "tiny", "1")
        await asyncio.sleep(0)  # the task that has let it go ends
        alive = [one for one in (version, servable, runtime, threads) if one() is not None]
    finally:
        gc.enable()

    assert alive == []
    assert kept_bytes > 0
    assert cache._users == {}
    labels = {"architecture": "dien", "device": "cpu", "model": "tiny"}
    assert sample(metrics, "ctr_model_info", version="1", **labels) is None
    assert sample(metrics, "ctr_model_info", version="2", **labels) == 1
    await registry.drain()


async def test_a_loaded_version_stays_beside_the_active_one_until_it_is_unloaded(root):
    registry = open_registry(root, keep_previous=False)

    servable = await registry.load("tiny", "3")
    await registry.activate("tiny", "2")
    beside = states(registry)
    again = await registry.load("tiny", "3")
    await registry.unload("tiny", "3")

    assert beside["3"] == "READY"
    assert again is servable
    assert states(registry) == {"1": "STORED", "2": "ACTIVE", "3": "STORED"}
    await registry.drain()


async def test_a_version_that_gets_no_threads_is_refused_and_the_old_one_goes_on(root, monkeypatch):
    def no_more(*_: object) -> None:
        raise OSError("2 engine threads could not be started")

    registry = open_registry(root)
    monkeypatch.setattr(loading, "Servable", no_more)

    with pytest.raises(VersionRefused, match="tiny@2: 2 engine threads could not be started"):
        await registry.activate("tiny", "2")

    assert states(registry) == {"1": "ACTIVE", "2": "REFUSED", "3": "STORED"}
    await registry.drain()


async def test_the_active_version_cannot_be_unloaded(root):
    registry = open_registry(root)

    with pytest.raises(SwapRefused, match="tiny@1 is active: activate another version first"):
        await registry.unload("tiny", "1")
    await registry.drain()


async def test_those_who_want_the_same_version_at_once_load_it_once(root):
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics)

    servables = await asyncio.gather(*(registry.load("tiny", "2") for _ in range(5)))

    assert len(set(servables)) == 1
    assert sample(metrics, "ctr_model_load_duration_seconds_count", model="tiny") == 2
    await registry.drain()


async def test_a_version_that_is_loaded_again_while_it_is_let_go_is_loaded_afterwards(root):
    registry = open_registry(root)
    first = await registry.load("tiny", "2")

    with first:
        letting_go = asyncio.create_task(registry.unload("tiny", "2"))
        await asyncio.sleep(0)
        loading = asyncio.create_task(registry.load("tiny", "2"))
        await asyncio.sleep(0)
    await letting_go
    second = await loading

    assert second is not first
    assert states(registry)["2"] == "READY"
    await registry.drain()


async def test_of_two_activations_at_once_the_one_that_comes_late_is_told_so(root):
    registry = open_registry(root)
    await registry.load("tiny", "2")

    late, early = await asyncio.gather(
        registry.activate("tiny", "3"), registry.activate("tiny", "2"), return_exceptions=True
    )

    assert isinstance(late, SwapRefused)
    assert "another version of tiny became active meanwhile" in str(late)
    assert isinstance(early, Servable)
    assert active(registry) == ModelStore(root).active_versions()["tiny"] == "2"
    assert states(registry)["3"] in {"DRAINING", "STORED"}
    await registry.drain()


async def test_activating_the_active_version_again_is_no_swap(root):
    registry = open_registry(root)
    before = registry.models.route("tiny")

    assert await registry.activate("tiny", "1") is before
    with pytest.raises(SwapRefused, match="no version of tiny was active before"):
        await registry.rollback("tiny")
    await registry.drain()


async def test_a_refused_version_says_why_and_the_old_one_goes_on_serving(root):
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics)
    weights = root / "tiny" / "2" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    before = registry.models.route("tiny")

    with pytest.raises(VersionRefused) as refused:
        await registry.activate("tiny", "2")

    status = registry.status(VersionKey("tiny", "2"))
    assert status.state == "REFUSED"
    assert status.reason == str(refused.value)
    assert len(status.reason.splitlines()) == 1
    assert status.reason.startswith("tiny/2/weights.safetensors has ")
    assert registry.models.route("tiny") is before
    assert ModelStore(root).active_versions() == {"tiny": "1"}
    assert (await ask(before, draw_requests(1)[0])).batch_jobs == 1
    assert sample(metrics, "ctr_model_swaps_total", model="tiny", outcome="refused") == 1
    labels = {"model": "tiny", "version": "2"}
    assert sample(metrics, "ctr_model_version_state", state="REFUSED", **labels) == 1
    await registry.drain()


async def test_a_refused_version_that_was_mended_can_be_activated(root):
    registry = open_registry(root)
    weights = root / "tiny" / "2" / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    with pytest.raises(VersionRefused):
        await registry.activate("tiny", "2")

    weights.write_bytes(content)
    await registry.activate("tiny", "2")

    assert states(registry)["2"] == "ACTIVE"
    await registry.drain()


async def test_a_swap_that_cannot_be_written_down_does_not_happen(root):
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics, keep_previous=False)
    (root / "tiny" / "HISTORY").mkdir()  # where a file has to be

    with pytest.raises(NotStored, match="cannot say that tiny@2 is active, so it is not: "):
        await registry.activate("tiny", "2")
    await settled(registry, "tiny", "2")

    assert active(registry) == ModelStore(root).active_versions()["tiny"] == "1"
    assert states(registry) == {"1": "ACTIVE", "2": "STORED", "3": "STORED"}
    assert sample(metrics, "ctr_model_swaps_total", model="tiny", outcome="not_stored") == 1
    await registry.drain()


@pytest.mark.parametrize("name", ["nobody", "..", "a/b", "", "\x00", "x" * 100])
async def test_an_unknown_model_is_unknown_whatever_is_asked(root, name):
    registry = open_registry(root)

    for asking in (registry.activate(name, "1"), registry.load(name, "1"), registry.rollback(name)):
        with pytest.raises(UnknownModel):
            await asking
    await registry.drain()


@pytest.mark.parametrize("version", ["7", "..", "1/../1", "", "\x00", ".publishing-a"])
async def test_an_unknown_version_is_unknown_and_not_refused(root, version):
    registry = open_registry(root)

    with pytest.raises(UnknownVersion, match="of tiny, only 1, 2, 3"):
        await registry.activate("tiny", version)

    assert set(states(registry)) == {"1", "2", "3"}
    await registry.drain()


async def test_a_model_that_came_into_the_store_later_is_served_once_it_is_activated(root):
    registry = open_registry(root)
    publish_tiny_version(root, "later")

    await registry.activate("later", "1")

    assert active(registry, "later") == "1"
    assert active(registry) == "1"
    await registry.drain()


async def test_whoever_asked_for_a_swap_may_leave(root):
    registry = open_registry(root)
    await registry.load("tiny", "2")
    await registry._swapping["tiny"].acquire()  # a swap that takes its time
    activating = asyncio.create_task(registry.activate("tiny", "2"))
    await asyncio.sleep(0)

    activating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await activating
    registry._swapping["tiny"].release()
    await registry.drain()

    assert active(registry) == ModelStore(root).active_versions()["tiny"] == "2"


async def test_draining_ends_every_version_and_refuses_new_ones(root):
    registry = open_registry(root)
    beside = await registry.load("tiny", "2")
    served = registry.models.route("tiny")

    await registry.drain()

    assert not registry.models.is_ready()
    for servable in (beside, served):
        with pytest.raises(NotReady):
            await ask(servable, draw_requests(1)[0])
    with pytest.raises(NotReady):
        await registry.load("tiny", "3")


async def test_the_states_are_shown_as_metrics(root):
    metrics = Metrics()
    registry = open_registry(root, metrics=metrics, keep_previous=False)

    await registry.activate("tiny", "2")
    await settled(registry, "tiny", "1")

    (family,) = metrics.version_state.collect()
    shown = {(one.labels["version"], one.labels["state"]): one.value for one in family.samples}
    assert shown == {("2", "ACTIVE"): 1}
    assert sample(metrics, "ctr_model_swaps_total", model="tiny", outcome="activated") == 1
    await registry.drain()
