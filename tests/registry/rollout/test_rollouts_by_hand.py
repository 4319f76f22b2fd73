"""What operators change while a version is tried, and what is refused to them."""

import asyncio

import pytest

from app.errors import (
    InvalidRequest,
    SwapRefused,
    UnknownModel,
    UnknownVersion,
)
from app.registry.rollout.plan import RolloutPlan
from tests.registry.registries import settled, states
from tests.registry.rollout.rollout_service import ACTIVE, BOLDER, OTHER, SAME

pytestmark = pytest.mark.anyio


async def test_growing_a_canary_keeps_what_was_learned(service):
    await service.roll_out(SAME, percent=10)
    for _ in range(60):
        await service.ask()
    learned = service.trial.comparison.pairs.requests

    await service.roll_out(SAME, percent=50)

    assert learned > 0
    assert service.trial.comparison.pairs.requests == learned
    assert service.events() == ["started", "changed"]
    assert [record["percent"] for record in service.journal()] == [10, 50]


async def test_another_version_takes_the_place_of_the_one_that_is_tried(service):
    await service.roll_out(SAME)

    await service.roll_out(BOLDER)

    assert service.events() == ["started", "stopped", "started"]
    assert states(service.registry)[SAME] == "STORED"
    assert states(service.registry)[BOLDER] == "READY"


async def test_a_stopped_rollout_leaves_nothing_behind(service):
    await service.roll_out(SAME)

    await service.rollouts.stop("tiny", "enough")
    await service.rollouts.stop("tiny", "enough")

    assert service.events() == ["started", "stopped"]
    assert states(service.registry)[SAME] == "STORED"
    assert service.registry.models.canaries == {}
    assert all(servable.observers == () for servable in service.registry.models.servables.values())
    assert not list(service.metrics.rollout_percent.collect()[0].samples)


@pytest.mark.parametrize("by_hand", [SAME, BOLDER])
async def test_what_an_operator_activates_ends_a_rollout(service, by_hand):
    await service.roll_out(SAME)

    await service.registry.activate("tiny", by_hand)
    await asyncio.wait(service.rollouts._tasks)

    assert service.active == by_hand
    assert service.events() == ["started", "stopped"]
    assert f"an operator has activated tiny@{by_hand}" in service.journal()[-1]["reason"]


async def test_what_an_operator_activates_is_not_taken_back_by_a_promotion(service):
    await service.roll_out(SAME)
    async with service.rollouts._changing["tiny"]:  # whoever carries the verdict out waits
        while not service.trial.is_over:
            await service.ask()
        await service.registry.activate("tiny", OTHER)

    await asyncio.wait(service.rollouts._tasks)

    assert service.active == OTHER
    assert service.events() == ["started", "stopped"]
    assert service.registry.models.canaries == {}


async def test_a_version_that_became_active_while_it_was_loaded_is_refused_as_active(
    service, monkeypatch
):
    load = service.registry.load

    async def overtaken(name, version):
        challenger = await load(name, version)
        await service.registry.activate(name, version)
        return challenger

    monkeypatch.setattr(service.registry, "load", overtaken)

    with pytest.raises(SwapRefused, match="tiny@2 is active already"):
        await service.roll_out(SAME)

    assert service.rollouts.describe("tiny") == {"under_way": None, "last": None}


@pytest.mark.parametrize("by_hand", [SAME, BOLDER])
async def test_what_is_activated_while_a_rollout_is_written_down_ends_it_too(
    service, monkeypatch, by_hand
):
    store = service.rollouts._store

    async def overtaken(name, record):
        await store(name, record)
        monkeypatch.setattr(service.rollouts, "_store", store)
        await service.registry.activate(name, by_hand)

    monkeypatch.setattr(service.rollouts, "_store", overtaken)

    await service.roll_out(SAME)

    assert service.trial is None
    assert service.events() == ["started", "stopped"]
    assert f"an operator has activated tiny@{by_hand}" in service.journal()[-1]["reason"]
    assert all(servable.observers == () for servable in service.registry.models.loaded.values())


async def test_a_version_that_is_active_is_not_held_beside_that(service):
    await service.registry.activate("tiny", SAME)
    await service.registry.load("tiny", SAME)

    for version in (BOLDER, OTHER):
        await service.registry.activate("tiny", version)
    await settled(service.registry, "tiny", SAME)

    assert states(service.registry)[SAME] == "STORED"


async def test_a_rollout_that_is_over_takes_no_users_again(service):
    await service.roll_out(SAME)
    trial, models = service.trial, service.registry.models
    trial.end(models)

    trial.follow(trial.plan, models)

    assert models.canaries == {}


@pytest.mark.parametrize(
    ("name", "plan", "error"),
    [
        ("tiny", RolloutPlan(ACTIVE, "canary", 10), SwapRefused),
        ("tiny", RolloutPlan(SAME, "canary", 51), InvalidRequest),
        ("tiny", RolloutPlan(SAME, "shadow", 101), InvalidRequest),
        ("tiny", RolloutPlan("99", "canary", 10), UnknownVersion),
        ("huge", RolloutPlan(SAME, "canary", 10), UnknownModel),
    ],
)
async def test_what_cannot_be_rolled_out_is_refused_and_changes_nothing(service, name, plan, error):
    with pytest.raises(error):
        await service.rollouts.start(name, plan)

    assert service.rollouts.describe("tiny") == {"under_way": None, "last": None}


async def test_a_challenger_that_is_never_given_back_holds_up_no_other_rollout(
    service, monkeypatch
):
    monkeypatch.setattr("app.registry.rollout.rollouts.FREED_WITHIN_S", 0.01)
    await service.roll_out(SAME)

    with service.trial.challenger:  # as a request whose engine hangs does
        await service.rollouts.stop("tiny", "asked for")
        await service.roll_out(BOLDER)

        assert service.trial.challenger.key.version == BOLDER
        assert states(service.registry)[SAME] == "DRAINING"
