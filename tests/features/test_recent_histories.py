"""Copies of histories: the latest of each user, bounded in bytes and in age, and counted."""

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.features.behavior_codec import pack, unpack
from app.features.recent_histories import RecentHistories
from app.monitoring.metrics import Metrics
from tests.features.histories import as_rows, history


class Clock:
    """Stands still until a test moves it."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def recent(metrics: Metrics, clock: Clock) -> RecentHistories:
    return RecentHistories(metrics, max_bytes=2**20, max_age_s=60, clock=clock)


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def lookups(metrics: Metrics, result: str) -> float:
    return sample(metrics, "ctr_history_copy_lookups_total", result=result)


def memory(metrics: Metrics) -> float:
    return sample(metrics, "ctr_history_copy_memory_bytes")


def test_the_latest_read_of_a_user_is_recalled(recent):
    recent.remember([("user-1", history("a")), ("user-2", history("b"))])
    recent.remember([("user-1", history("a", "c"))])

    assert as_rows(recent.recall("user-1")) == as_rows(history("a", "c"))
    assert as_rows(recent.recall("user-2")) == as_rows(history("b"))
    assert recent.recall("user-3") is None


def test_that_a_user_had_no_history_is_remembered_too(recent):
    recent.remember([("cold", history())])

    assert len(recent.recall("cold")) == 0


def test_a_user_whose_value_became_unusable_is_forgotten(recent, metrics):
    recent.remember([("user-1", history("a"))])
    recent.remember([("user-1", None)])

    assert recent.recall("user-1") is None
    assert memory(metrics) == 0


def test_a_copy_has_an_age_after_which_it_is_not_used(recent, metrics, clock):
    recent.remember([("user-1", history("a"))])

    clock.now_s += 60
    in_time = recent.recall("user-1")
    clock.now_s += 0.1
    too_late = recent.recall("user-1")

    assert as_rows(in_time) == as_rows(history("a"))
    assert too_late is None
    assert lookups(metrics, "too_old") == 1


def test_what_is_too_old_makes_room_when_something_is_read(recent, metrics, clock):
    recent.remember([("user-1", history("a"))])
    one = memory(metrics)

    clock.now_s += 61
    recent.remember([("user-2", history("b"))])

    assert memory(metrics) == one


def test_whoever_was_read_longest_ago_is_forgotten_first(metrics, clock):
    RecentHistories(metrics, max_bytes=2**20, max_age_s=60).remember([("user-0", history("a"))])
    room_for_three = 3 * int(memory(metrics))
    recent = RecentHistories(metrics, max_bytes=room_for_three, max_age_s=60, clock=clock)
    for user_id in ("user-1", "user-2", "user-3", "user-1", "user-4"):
        recent.remember([(user_id, history("a"))])

    kept = {u for u in ("user-1", "user-2", "user-3", "user-4") if recent.recall(u) is not None}

    assert kept == {"user-1", "user-3", "user-4"}


def test_without_room_nothing_is_kept(metrics):
    recent = RecentHistories(metrics, max_bytes=0, max_age_s=60)
    recent.remember([("user-1", history("a"))])

    assert recent.recall("user-1") is None
    assert memory(metrics) == 0


def test_hits_misses_and_ages_are_counted(recent, metrics, clock):
    recent.remember([("user-1", history("a"))])
    clock.now_s += 10
    recent.recall("user-1")
    recent.recall("user-2")

    assert (lookups(metrics, "hit"), lookups(metrics, "miss")) == (1, 1)
    assert sample(metrics, "ctr_history_copy_age_seconds_sum") == 10
    assert sample(metrics, "ctr_history_copy_age_seconds_count") == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.none() | st.integers(0, 40), st.floats(0, 30)),
        max_size=60,
    )
)
def test_bytes_add_up_and_stay_within_the_bound(reads):
    metrics, clock = Metrics(), Clock()
    recent = RecentHistories(metrics, max_bytes=4000, max_age_s=60, clock=clock)
    for user, length, pause_s in reads:
        clock.now_s += pause_s
        behaviors = None if length is None else history(*map(str, range(length)))
        recent.remember([(f"user-{user}", behaviors)])
        assert 0 <= memory(metrics) <= 4000

    for user in range(6):
        recent.remember([(f"user-{user}", None)])
    assert memory(metrics) == 0


@pytest.mark.parametrize("length", [0, 50])
@pytest.mark.parametrize("user_id", ["user-{:08}", "ünï-🙂-{:08}"])
def test_python_takes_no_more_memory_than_is_counted(metrics, length, user_id):
    recent = RecentHistories(metrics, max_bytes=2**30, max_age_s=60)
    count = 2000
    gc.collect()
    tracemalloc.start()
    for number in range(count):
        name = user_id.format(number)
        recent.remember([(name, unpack(name, pack(name, history(*map(str, range(length))))))])
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 0.5 * memory(metrics) < taken <= memory(metrics)
