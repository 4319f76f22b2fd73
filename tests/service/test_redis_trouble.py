"""Redis is away, slow or holds nonsense: the answer comes, says so, and it is counted."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from app.features.behavior_codec import redis_key
from tests.api.bodies import BEHAVIORS, Json, body, ctr_by_ad, store_history, wire_behaviors
from tests.eventually import eventually
from tests.service.stoppable_redis import StoppableRedis, stoppable_redis
from tests.serving import RunningService, patient, serving

NOBODY = "unix:///nowhere/redis.sock"
INLINE = wire_behaviors(BEHAVIORS)
SEED = 20260101


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[StoppableRedis]:
    with stoppable_redis(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def service(model_store: Path, redis_server: str) -> Iterator[RunningService]:
    with serving(patient(model_store=model_store), redis_server) as running:
        yield running


def test_without_redis_the_service_starts_and_answers_degraded(model_store: Path) -> None:
    with serving(patient(model_store=model_store), NOBODY) as service:
        ready = service.client.get("/health/ready")
        stored, inline = service.ranking(body()), service.ranking(body(behaviors=INLINE))

        assert ready.status_code == 200
        assert_degraded(stored)
        assert inline["degraded"] is None
        assert inline["user"]["behaviors"] == 3
        assert degraded_because(service, "unreachable") == 1


def test_a_degraded_answer_has_the_scores_of_a_user_without_behaviors(model_store: Path) -> None:
    with serving(patient(model_store=model_store), NOBODY) as service:
        degraded, cold = service.ranking(body()), service.ranking(body(behaviors=[]))

    assert ctr_by_ad(degraded) == pytest.approx(ctr_by_ad(cold), abs=1e-6)


def test_redis_may_die_and_come_back_while_the_service_answers(
    model_store: Path, redis: StoppableRedis
) -> None:
    with serving(patient(model_store=model_store), redis.url) as service:
        remember(redis)
        before = service.ranking(body())

        redis.kill()
        without = [service.ranking(body()) for _ in range(5)]
        never_read = service.ranking(body(user_id="user-2"))
        redis.start()
        remember(redis)
        waited_s = eventually(lambda: service.ranking(body())["degraded"] is None)
        after = service.ranking(body())

        assert before["user"]["behaviors"] == after["user"]["behaviors"] == 3
        assert before["degraded"] is after["degraded"] is None
        for answer in without:
            assert answer["degraded"] == "stale_history"
            assert answer["user"]["behaviors"] == 3
            assert ctr_by_ad(answer) == pytest.approx(ctr_by_ad(before), abs=1e-6)
        assert_degraded(never_read)
        for reason in ("unreachable", "circuit_open"):
            assert degraded_because(service, reason, rung="stale_history") > 0
        assert waited_s < 2


def test_a_redis_that_hangs_is_not_waited_for(model_store: Path, redis: StoppableRedis) -> None:
    settings = patient(model_store=model_store, redis_timeout_ms=20)
    with serving(settings, redis.url) as service:
        remember(redis)

        redis.freeze()
        hanging = [service.ranking(body()) for _ in range(2)]
        inline = service.ranking(body(behaviors=INLINE, profile={}))
        degraded = degraded_because(service, "timeout")
        redis.thaw()

        for answer in hanging:
            assert_degraded(answer)
        assert degraded == 2
        assert inline["degraded"] is None


def test_a_redis_that_keeps_hanging_is_not_even_asked(
    model_store: Path, redis: StoppableRedis
) -> None:
    settings = patient(model_store=model_store, redis_timeout_ms=20)
    with serving(settings, redis.url) as service:
        remember(redis)

        redis.freeze()
        eventually(lambda: service.ranking(body()) and degraded_because(service, "circuit_open"))
        timeouts = reads_with(service, "timeout")
        answers = [service.ranking(body()) for _ in range(20)]
        state = service.metric("ctr_redis_circuit_state")
        redis.thaw()

        for answer in answers:
            assert_degraded(answer)
        assert reads_with(service, "timeout") == timeouts
        assert state == 2


def test_a_redis_that_hangs_leaves_time_to_score_within_the_budget(
    model_store: Path, redis: StoppableRedis
) -> None:
    with serving(patient(model_store=model_store), redis.url) as service:
        remember(redis)

        redis.freeze()
        answer = service.ranking(body(deadline_ms=2_000))
        redis.thaw()

        assert_degraded(answer)


def test_the_right_histories_come_back_after_a_hang(
    model_store: Path, redis: StoppableRedis
) -> None:
    """A late reply must never be taken for the answer to the next question."""
    settings = patient(model_store=model_store, redis_timeout_ms=500)
    users = {f"user-{count}": BEHAVIORS[:count] for count in (1, 2, 3)}
    with serving(settings, redis.url) as service, redis.client() as client:
        for user_id, behaviors in users.items():
            store_history(client, user_id, behaviors)

        redis.freeze()
        late = service.ranking(body(user_id="user-3"))
        redis.thaw()
        eventually(lambda: service.ranking(body(user_id="user-3"))["degraded"] is None)
        recovered = {user_id: service.ranking(body(user_id=user_id)) for user_id in users}

        assert_degraded(late)
        for user_id, answer in recovered.items():
            assert answer["degraded"] is None
            assert answer["user"]["behaviors"] == len(users[user_id])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "corrupt"),
        (b"CB", "corrupt"),
        (b"no history at all, but long enough", "corrupt"),
        (b"CB\x01\x02" + b"\x00" * 8, "foreign_user"),
        (b"CB\x02\x02" + b"\x00" * 8, "foreign_version"),
        (b"CB\x01\x03" + b"\x00" * 8, "foreign_version"),
    ],
)
def test_a_history_that_cannot_be_read_is_left_out_and_counted(
    service: RunningService, redis_url: str, value: bytes, reason: str
) -> None:
    write(redis_url, redis_key("user-1"), value)
    degraded, reads = degraded_because(service, reason), reads_with(service, reason)

    answer = service.ranking(body())

    assert_degraded(answer)
    assert degraded_because(service, reason) == degraded + 1
    assert reads_with(service, reason) == reads + 1


def test_a_value_of_many_megabytes_is_one_users_trouble(
    service: RunningService, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as client:
        store_history(client, "user-2", BEHAVIORS)
        client.setrange(redis_key("user-1"), 32 * 2**20, b"!")

    huge, fine = service.ranking(body()), service.ranking(body(user_id="user-2"))

    assert_degraded(huge)
    assert fine["degraded"] is None
    assert fine["user"]["behaviors"] == 3


def test_another_users_history_is_never_used(service: RunningService, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        store_history(client, "somebody else", BEHAVIORS)
        client.rename(redis_key("somebody else"), redis_key("user-1"))
    foreign = degraded_because(service, "foreign_user")

    answer = service.ranking(body())

    assert_degraded(answer)
    assert degraded_because(service, "foreign_user") == foreign + 1


def test_a_history_of_another_type_is_left_out_and_counted(
    service: RunningService, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as client:
        client.rpush(redis_key("user-1"), "not", "a", "string")
    wrong_types = degraded_because(service, "wrong_type")

    answer = service.ranking(body())

    assert_degraded(answer)
    assert degraded_because(service, "wrong_type") == wrong_types + 1


def test_one_unreadable_history_spoils_nobody_elses(
    service: RunningService, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as client:
        store_history(client, "user-2", BEHAVIORS)
        client.rpush(redis_key("user-1"), "not a string")

    spoiled, fine = service.ranking(body()), service.ranking(body(user_id="user-2"))

    assert_degraded(spoiled)
    assert fine["degraded"] is None
    assert fine["user"]["behaviors"] == 3


def test_no_bytes_in_redis_are_too_strange_for_an_answer(
    service: RunningService, redis_url: str
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - not for secrets
    with Redis.from_url(redis_url) as client:
        store_history(client, "user-1", BEHAVIORS)
        valid = client.get(redis_key("user-1"))
    for _ in range(300):
        position = rng.randrange(len(valid))
        damaged = valid[:position] + rng.randbytes(rng.randrange(30)) + valid[position + 1 :]
        write(redis_url, redis_key("user-1"), damaged)

        answer = service.ranking(body(explain=10))

        assert answer["degraded"] in {None, "no_history"}
    assert service.metric("ctr_engine_failures_total") == 0


def assert_degraded(answer: Json) -> None:
    assert answer["degraded"] == "no_history"
    assert answer["user"]["behaviors"] == 0
    assert len(answer["ranked"]) == 5


def degraded_because(service: RunningService, reason: str, rung: str = "no_history") -> float:
    return service.metric("ctr_degraded_total", rung=rung, reason=reason)


def reads_with(service: RunningService, outcome: str) -> float:
    return service.metric("ctr_feature_reads_total", kind="behaviors", outcome=outcome)


def remember(redis: StoppableRedis) -> None:
    with redis.client() as client:
        store_history(client, "user-1", BEHAVIORS)


def write(redis_url: str, key: str, value: bytes) -> None:
    with Redis.from_url(redis_url) as client:
        client.set(key, value)
