"""A rollout is in the journal of its model before it begins, and goes on from there."""

import json

import pytest

from app.errors import (
    NotStored,
)
from app.registry.rollout.plan import RolloutPlan
from tests.registry.registries import states
from tests.registry.rollout.rollout_service import BOLDER, SAME, Service

pytestmark = pytest.mark.anyio


async def test_a_rollout_that_cannot_be_written_down_does_not_begin(service, root):
    (root / "tiny" / "rollouts.jsonl").mkdir()  # where a file has to be

    with pytest.raises(NotStored):
        await service.roll_out(SAME)

    assert service.rollouts.describe("tiny") == {"under_way": None, "last": None}
    assert service.metrics.rollout_events.labels("tiny", "started")._value.get() == 0
    assert states(service.registry)[SAME] == "STORED"


async def test_a_rollout_goes_on_after_a_restart_with_nothing_learned(service, root):
    await service.roll_out(SAME, percent=25)
    await service.rollouts.close()
    restarted = Service(root)

    await restarted.rollouts.resume()

    assert restarted.trial.plan == RolloutPlan(SAME, "canary", 25)
    assert restarted.trial.comparison.pairs.requests == 0
    await restarted.rollouts.close()
    await restarted.registry.drain()


@pytest.mark.parametrize(
    "record",
    [
        {"event": "started"},
        {"event": "started", "version": 2, "mode": "canary", "percent": 5},
        {"event": "started", "version": "2", "mode": "sideways", "percent": 5},
        {"event": "started", "version": "2", "mode": "canary", "percent": "many"},
    ],
)
async def test_a_journal_that_somebody_else_wrote_begins_nothing(service, root, caplog, record):
    (root / "tiny" / "rollouts.jsonl").write_text(json.dumps(record) + "\n")

    await service.rollouts.resume()

    assert service.trial is None
    assert "a rollout is not resumed" in caplog.text


async def test_what_was_decided_is_still_known_after_a_restart_and_not_begun_again(service, root):
    await service.roll_out(BOLDER)
    await service.ask_until_decided()
    restarted = Service(root)

    await restarted.rollouts.resume()

    assert restarted.trial is None
    assert restarted.rollouts.describe("tiny")["last"]["event"] == "rolled_back"
    await restarted.registry.drain()
