"""Requests at a steady rate before, during and after a fault, each answer checked for its user."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from redis import Redis

from bench.race.client import Address, Wire, open_loop
from bench.race.latency import Outcomes
from bench.race.schedule import poisson_times
from tests.api.bodies import Json, body, store_history
from tests.serving import RunningService

USERS = 40
STRANGERS = 5  # in Redis too, but never asked for before the fault
BEHAVIORS_EACH = 3
DEADLINE_MS = 300
BEGINS_WITHIN_S = 30
SECONDS_PER_USER = 1000  # their behaviors have times of their own, by which an answer is known


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how many requests a second."""

    calm_s: float
    fault_s: float
    recovery_s: float
    rate_per_s: float

    @property
    def seconds(self) -> float:
        return self.calm_s + self.fault_s + self.recovery_s


QUICK = Plan(calm_s=0.5, fault_s=1.0, recovery_s=2.2, rate_per_s=50)
THOROUGH = Plan(calm_s=2, fault_s=4, recovery_s=4, rate_per_s=150)


@dataclass(frozen=True, slots=True)
class Storm:
    """What became of N requests; answers are None where there was no 200."""

    outcomes: Outcomes
    answers_N: Sequence[Json | None]
    users_N: Sequence[int]
    fault_begun_s: float
    fault_over_s: float

    @property
    def statuses(self) -> Counter[int]:
        return Counter(self.outcomes.status_N.tolist())

    def rungs(self, since_s: float, until_s: float) -> Counter[str | None]:
        """Of the requests that were sent then."""
        return Counter(
            answer["degraded"]
            for answer, sent_s in zip(self.answers_N, self.outcomes.released_s_N, strict=True)
            if answer is not None and since_s <= sent_s < until_s
        )

    def latest_ms(self) -> float:
        return float(np.nanmax(self.outcomes.latencies_s()) * 1e3)

    def p99_ms(self) -> float:
        return float(np.nanpercentile(self.outcomes.latencies_s(), 99) * 1e3)

    def recovered_after_s(self) -> float:
        """From the end of the fault to the sending of the last request that felt it."""
        felt_s = [
            sent_s
            for answer, sent_s in zip(self.answers_N, self.outcomes.released_s_N, strict=True)
            if answer is None or answer["degraded"] is not None
        ]
        return max(0.0, max(felt_s, default=0.0) - self.fault_over_s)

    def foreign_answers(self) -> int:
        """Answers that were scored with a history of somebody else."""
        return sum(
            answer is not None and not _is_of(answer, user)
            for answer, user in zip(self.answers_N, self.users_N, strict=True)
        )


def write_histories(redis: Redis) -> None:
    for user in range(USERS + STRANGERS):
        first = user * SECONDS_PER_USER
        behaviors = [
            (f"item-{(user + n) % 50}", f"category-{user % 5}", first + n)
            for n in range(BEHAVIORS_EACH)
        ]
        store_history(redis, f"user-{user}", behaviors)


def storm(
    service: RunningService, plan: Plan, fault: Callable[[], AbstractContextManager[object]]
) -> Storm:
    """The load goes on for the whole plan, whatever the fault does to it."""
    for user in range(USERS):  # so that there are copies of their histories
        assert service.ranking(_body(user))["degraded"] is None
    times_s = poisson_times(plan.rate_per_s, plan.seconds, seed=11)
    rng = np.random.default_rng(11)
    users = rng.integers(USERS, size=len(times_s)).tolist()
    in_fault = np.flatnonzero(times_s > plan.calm_s + plan.fault_s / 2)[:STRANGERS]
    for stranger, index in enumerate(in_fault.tolist()):
        users[index] = USERS + stranger
    answers: list[Json | None] = [None] * len(users)
    moments: list[float] = []
    has_begun = threading.Event()  # however long the client takes to be ready

    def inflict() -> None:
        has_begun.wait(BEGINS_WITHIN_S)
        time.sleep(plan.calm_s)
        moments.append(time.perf_counter())
        with fault():
            time.sleep(plan.fault_s)
        moments.append(time.perf_counter())

    def keep(index: int, status: int, content: bytes) -> None:
        has_begun.set()
        if status == 200:
            answers[index] = json.loads(content)

    thread = threading.Thread(target=inflict)
    thread.start()
    outcomes = open_loop(
        Address("127.0.0.1", service.port), [_wire(user) for user in users], times_s, keep=keep
    )
    thread.join()
    return Storm(outcomes, answers, users, *moments)


def _body(user: int) -> Json:
    return body(user_id=f"user-{user}", explain=BEHAVIORS_EACH, deadline_ms=DEADLINE_MS)


def _wire(user: int) -> Wire:
    content = json.dumps(_body(user)).encode()
    head = (
        "POST /v1/rank HTTP/1.1\r\nHost: ctr\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode(), content


def _is_of(answer: Json, user: int) -> bool:
    if answer["degraded"] == "no_history":
        return bool(answer["user"]["behaviors"] == 0)
    seconds = {one["timestamp"] for ranked in answer["ranked"] for one in ranked["attention"]}
    return seconds == {user * SECONDS_PER_USER + n for n in range(BEHAVIORS_EACH)}
