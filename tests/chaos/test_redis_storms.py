"""Redis is broken in every way under load: every request is answered, in time, for its user."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.chaos import fault_proxy as faults
from tests.chaos.conftest import REDIS_TIMEOUT_MS, Report, service_with
from tests.chaos.fault_proxy import Fault, FaultProxy
from tests.chaos.storm import (
    DEADLINE_MS,
    QUICK,
    THOROUGH,
    Plan,
    Storm,
    storm,
    write_histories,
)
from tests.eventually import eventually
from tests.redis_process import RedisProcess
from tests.redis_topologies import SENTINEL_PASSWORD, watched_redis
from tests.serving import RunningService

TOLERANCE_MS = 100  # of a client that shares two cores with the service and Redis
RECOVERY_S = 2.0
SLOW = [faults.slow(milliseconds) for milliseconds in (5, 50, 500)]
BROKEN = [
    *(faults.BLACK_HOLE, faults.RESETS, faults.HALF_REPLIES, faults.SLOW_DRIP),
    *(faults.SWAPPED, faults.JITTER, faults.CROSSED),
]
IN_TIME = {faults.slow(5).name, faults.JITTER.name}  # Redis still answers within its timeout
QUICK_ONES = {faults.BLACK_HOLE.name, faults.HALF_REPLIES.name}

# The fault is over as soon as sentinels name the new master, a second or two after the kill.
FAILOVER = Plan(calm_s=2, fault_s=0.5, recovery_s=9, rate_per_s=150)

Inflict = Callable[[], AbstractContextManager[object]]


def plans(name: str) -> list[object]:
    """The quick storm with every test run, the thorough one with the chaos suite."""
    thorough = pytest.param(THOROUGH, id="thorough", marks=pytest.mark.chaos)
    return [pytest.param(QUICK, id="quick"), thorough] if name in QUICK_ONES else [thorough]


def each(found: list[Fault]) -> list[object]:
    return [
        pytest.param(fault, *plan.values, id=f"{fault.name}-{plan.id}", marks=plan.marks)
        for fault in found
        for plan in plans(fault.name)
    ]


@pytest.mark.parametrize(("fault", "plan"), each([*SLOW, *BROKEN]))
def test_requests_are_answered_whatever_is_between_us_and_redis(
    service: RunningService,
    redis: RedisProcess,
    proxy: FaultProxy,
    report: Report,
    fault: Fault,
    plan: Plan,
) -> None:
    seen = under(service, redis, report, fault.name, plan, lambda: proxy.during(fault))

    if fault.name in IN_TIME:
        assert seen.rungs(seen.fault_begun_s, seen.fault_over_s)[None] > 0
    else:
        assert_degraded_meanwhile(seen)


@pytest.mark.parametrize(
    "plan", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.chaos)], ids=["quick", "thorough"]
)
def test_requests_are_answered_while_redis_is_killed_and_started_again(
    service: RunningService, redis: RedisProcess, report: Report, plan: Plan
) -> None:
    @contextmanager
    def killed() -> Iterator[None]:
        with redis.client() as client:
            client.save()
        redis.kill()
        yield
        redis.start()

    assert_degraded_meanwhile(under(service, redis, report, "killed", plan, killed))


@pytest.mark.chaos
def test_requests_are_answered_while_redis_is_frozen(
    service: RunningService, redis: RedisProcess, report: Report
) -> None:
    @contextmanager
    def frozen() -> Iterator[None]:
        redis.freeze()
        yield
        redis.thaw()

    seen = under(service, redis, report, "frozen", THOROUGH, frozen)

    assert_degraded_meanwhile(seen)
    assert service.metric("ctr_feature_reads_total", outcome="circuit_open") > 0


@pytest.mark.chaos
def test_requests_are_answered_while_the_master_fails_over(
    model_store: Path, tmp_path: Path, report: Report
) -> None:
    with watched_redis(tmp_path) as watched:
        with watched.master().client() as client:
            write_histories(client)
        watched.wait_for_replica()
        login = {"CTR_REDIS_SENTINEL_PASSWORD": SENTINEL_PASSWORD}
        with service_with(model_store, CTR_REDIS_URL=watched.url, **login) as service:

            @contextmanager
            def without_master() -> Iterator[None]:
                lost = watched.master()
                lost.kill()
                yield
                eventually(lambda: watched.master_port() != lost.port)

            seen = storm(service, FAILOVER, without_master)
            assert_served(service, seen, "sentinel failover", report)
            assert_degraded_meanwhile(seen)


def under(
    service: RunningService,
    redis: RedisProcess,
    report: Report,
    name: str,
    plan: Plan,
    inflict: Inflict,
) -> Storm:
    with redis.client() as client:
        write_histories(client)
    seen = storm(service, plan, inflict)
    assert_served(service, seen, name, report)
    return seen


def assert_served(service: RunningService, seen: Storm, name: str, report: Report) -> None:
    report.add(name, seen)
    assert seen.statuses.keys() == {200}
    assert seen.foreign_answers() == 0
    assert seen.latest_ms() <= DEADLINE_MS + TOLERANCE_MS
    assert seen.recovered_after_s() < RECOVERY_S
    assert set(seen.rungs(0, seen.fault_begun_s - DEADLINE_MS / 1e3)) == {None}
    assert set(seen.rungs(seen.fault_over_s + RECOVERY_S, float("inf"))) == {None}
    assert service.client.get("/health/ready").status_code == 200


def assert_degraded_meanwhile(seen: Storm) -> None:
    """Whoever was there before goes by the last read, and who was not has nothing."""
    settled_s = seen.fault_begun_s + 2 * REDIS_TIMEOUT_MS / 1e3
    rungs = seen.rungs(settled_s, seen.fault_over_s)
    assert rungs["stale_history"] > 0
    assert rungs["stale_history"] > rungs[None]
    assert 0 < rungs["no_history"] <= 5
