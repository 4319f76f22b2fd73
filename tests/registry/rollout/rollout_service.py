"""A registry with rollouts over four versions, and users who ask one after the other."""

import asyncio
import itertools
import json

import numpy as np

from app.core.deadline import Deadline, StageTimes
from app.errors import EngineFailed
from app.inference.admission import Admission
from app.monitoring.metrics import Metrics
from app.registry.rollout.copies import CopyRoom
from app.registry.rollout.gate import GateRules
from app.registry.rollout.plan import RolloutPlan
from app.registry.rollout.rollouts import Rollouts
from tests.registry.registries import open_registry
from tests.registry.servables import draw_request

ACTIVE, SAME, BOLDER, OTHER = "1", "2", "3", "4"
# How long something takes here says nothing.
RULES = GateRules(min_requests=100, min_s=0, max_latency_ratio=1e6)
ENOUGH = 3000  # requests


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
