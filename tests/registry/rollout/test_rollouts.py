"""A version beside another, under requests: who answers whom, what is decided, what is kept."""

import asyncio
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from app.core.calibration import Platt
from app.core.deadline import Deadline, StageTimes
from app.errors import (
    EngineFailed,
    InvalidRequest,
    NotStored,
    SwapRefused,
    UnknownModel,
    UnknownVersion,
)
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.registry.rollout.copies import CopyRoom
from app.registry.rollout.gate import GateRules
from app.registry.rollout.plan import RolloutPlan
from app.registry.rollout.rollouts import Rollouts
from app.registry.rollout.user_split import UserSplit
from tests.artifacts import publish_tiny_version
from tests.registry.registries import open_registry, settled, states
from tests.registry.servables import draw_request

pytestmark = pytest.mark.anyio

ACTIVE, SAME, BOLDER, OTHER = "1", "2", "3", "4"
# How long something takes here says nothing.
RULES = GateRules(min_requests=100, min_s=0, max_latency_ratio=1e6)
ENOUGH = 3000  # requests


@pytest.fixture
def root(tmp_path):
    publish_tiny_version(tmp_path)
    publish_tiny_version(tmp_path)
    publish_tiny_version(tmp_path, calibration=Platt(slope=1.0, offset=0.5))
    publish_tiny_version(tmp_path, seed=7)
    (tmp_path / "tiny" / "ACTIVE").write_text("1\n")
    (tmp_path / "tiny" / "HISTORY").unlink()
    return tmp_path


class Service:
    """A registry, its rollouts, and users who ask one after the other."""

    def __init__(self, root, rules=RULES):
        self.root = root
        self.metrics = Metrics()
        self.registry = open_registry(root, metrics=self.metrics)
        self.admission = Admission(threads=1)
        room = CopyRoom(self.admission, threads=1)
        seconds = itertools.count()  # each look at the clock is a second later
        self.rollouts = Rollouts(
            self.registry, room, rules, self.metrics, monotonic_s=lambda: float(next(seconds))
        )
        self._random = np.random.default_rng(0)
        self.answered = []  # by which version, whom

    async def roll_out(self, version, *, mode="canary", percent=50.0):
        await self.rollouts.start("tiny", RolloutPlan(version, mode, percent))

    async def ask(self, *, wait_for_copy=True):
        user, candidates = draw_request(self._random)
        with self.registry.models.route("tiny", user.user_id) as servable:
            self.answered.append((servable.key.version, user.user_id))
            try:
                await servable.score(user, candidates, Deadline.after(30), StageTimes())
            except EngineFailed:
                return
        trial = self.trial
        if wait_for_copy and trial is not None and trial.copies._tasks:
            await asyncio.wait(trial.copies._tasks)

    @property
    def trial(self):
        return self.rollouts._trials.get("tiny")

    async def ask_until_decided(self):
        """How many requests it took."""
        for number in range(1, ENOUGH):
            await self.ask()
            if self.trial is None or self.trial.is_over:
                if self.rollouts._tasks:
                    await asyncio.wait(self.rollouts._tasks)
                return number
        raise AssertionError(self.rollouts.describe("tiny"))

    @property
    def active(self):
        return (self.root / "tiny" / "ACTIVE").read_text().strip()

    def journal(self):
        lines = (self.root / "tiny" / "rollouts.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def events(self):
        return [record["event"] for record in self.journal()]


@pytest.fixture
async def service(root):
    service = Service(root)
    yield service
    await service.rollouts.close()
    await service.registry.drain()


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


async def test_a_first_rollback_is_an_increase(service):
    event = service.metrics.registry.get_sample_value

    before = event("ctr_rollout_events_total", {"model": "tiny", "event": "rolled_back"})

    assert before == 0


async def test_a_rollout_that_is_over_takes_no_users_again(service):
    await service.roll_out(SAME)
    trial, models = service.trial, service.registry.models
    trial.end(models)

    trial.follow(trial.plan, models)

    assert models.canaries == {}


async def test_what_was_decided_is_still_known_after_a_restart_and_not_begun_again(service, root):
    await service.roll_out(BOLDER)
    await service.ask_until_decided()
    restarted = Service(root)

    await restarted.rollouts.resume()

    assert restarted.trial is None
    assert restarted.rollouts.describe("tiny")["last"]["event"] == "rolled_back"
    await restarted.registry.drain()


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
