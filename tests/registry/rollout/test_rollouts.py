"""A version beside another, under requests: who answers whom, and what is decided."""

import asyncio

import numpy as np
import pytest
from msgspec.structs import replace

from app.core.deadline import Deadline
from app.registry.rollout.user_split import UserSplit
from tests.registry.registries import states
from tests.registry.rollout.rollout_service import ACTIVE, BOLDER, OTHER, SAME

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("mode", ["canary", "shadow"])
async def test_a_version_that_says_the_same_is_promoted(service, mode):
    await service.roll_out(SAME, mode=mode)

    await service.ask_until_decided()

    assert service.active == SAME
    assert states(service.registry)[SAME] == "ACTIVE"
    assert service.events() == ["started", "promoted"]


@pytest.mark.parametrize("mode", ["canary", "shadow"])
@pytest.mark.parametrize(
    ("version", "measures"), [(BOLDER, {"ctr_ratio"}), (OTHER, {"rank_correlation", "ctr_ratio"})]
)
async def test_a_version_that_says_something_else_is_rolled_back(service, mode, version, measures):
    await service.roll_out(version, mode=mode)

    requests = await service.ask_until_decided()

    assert requests < 400
    assert service.active == ACTIVE
    assert states(service.registry)[version] == "STORED"
    *_, last = service.journal()
    assert last["event"] == "rolled_back"
    assert last["reason"].split()[0] in measures


async def test_a_canary_answers_its_users_and_nobody_else(service):
    await service.roll_out(SAME, percent=20)

    for _ in range(100):
        await service.ask()

    split = UserSplit("tiny@2", 20)
    assert {version for version, _ in service.answered} == {ACTIVE, SAME}
    assert all((version == SAME) == split.takes(user) for version, user in service.answered)


async def test_a_shadow_answers_nobody(service):
    await service.roll_out(BOLDER, mode="shadow", percent=100)

    await service.ask_until_decided()

    assert {version for version, _ in service.answered} == {ACTIVE}


async def test_after_a_rollback_the_next_request_is_answered_by_the_active_version(service):
    await service.roll_out(BOLDER)

    await service.ask_until_decided()
    service.answered.clear()
    for _ in range(50):
        await service.ask()

    assert {version for version, _ in service.answered} == {ACTIVE}


async def test_a_version_that_fails_is_rolled_back_after_a_few_requests(service):
    await service.roll_out(SAME)
    service.trial.challenger._batcher._prepare = fail

    requests = await service.ask_until_decided()

    assert requests < 20
    assert "error_rate is above 0.01" in service.journal()[-1]["reason"]


async def test_under_pressure_no_request_is_copied(service):
    await service.roll_out(SAME, mode="shadow", percent=100)
    for _ in range(2):  # more than the one engine thread
        service.admission.enter("normal", Deadline.after(30), 0.0)

    for _ in range(20):
        await service.ask()

    assert service.trial.comparison.pairs.requests == 0
    copies = service.metrics.rollout_copies
    assert copies.labels("tiny", "busy")._value.get() == 20
    assert copies.labels("tiny", "scored")._value.get() == 0


async def test_copies_are_one_at_a_time_where_there_is_one_thread(service):
    await service.roll_out(SAME, mode="shadow", percent=100)

    await asyncio.gather(*(service.ask(wait_for_copy=False) for _ in range(20)))
    await asyncio.wait(service.trial.copies._tasks)

    copies = service.metrics.rollout_copies
    dropped, scored = (copies.labels("tiny", one)._value.get() for one in ("busy", "scored"))
    assert dropped > 0
    assert scored >= 1
    assert dropped + scored == 20


async def test_a_first_rollback_is_an_increase(service):
    event = service.metrics.registry.get_sample_value

    before = event("ctr_rollout_events_total", {"model": "tiny", "event": "rolled_back"})

    assert before == 0


async def test_a_version_whose_scores_are_not_numbers_is_rolled_back(service):
    await service.roll_out(SAME)
    batcher = service.trial.challenger._batcher
    prepare = batcher._prepare
    batcher._prepare = lambda jobs: NotNumbers(prepare(jobs))

    requests = await service.ask_until_decided()

    assert requests < 20
    assert "nan_rate is above 0.01" in service.journal()[-1]["reason"]


def fail(_jobs):
    raise ZeroDivisionError


class NotNumbers:
    """A batch whose scores are lost."""

    def __init__(self, prepared):
        self.work = prepared.work
        self._prepared = prepared

    def results(self):
        return [
            replace(scores, logits_C=np.full_like(scores.logits_C, np.nan))
            for scores in self._prepared.results()
        ]
