"""Where features come from: the request, Redis or nowhere; and that each of them counts."""

from collections.abc import Iterator

import pytest
from redis import Redis

from app.core.schema import DenseSideField
from tests.api.bodies import (
    BEHAVIORS,
    Json,
    ad,
    ads,
    body,
    ctr_by_ad,
    store_history,
    wire_behaviors,
)
from tests.artifacts import publish_tiny_version
from tests.serving import RunningService, patient, serving

INLINE = wire_behaviors(BEHAVIORS)


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[RunningService]:
    """Serves a model that reads two numbers from wherever a request has them."""
    root = tmp_path_factory.mktemp("moody")
    moods = tuple(DenseSideField(name=name, source="any") for name in ("mood_0", "mood_1"))
    publish_tiny_version(root, side_fields=moods)
    with serving(patient(model_store=root), redis_server) as running:
        yield running


def test_stored_behaviors_give_the_scores_of_the_same_behaviors_inline(
    service: RunningService, redis: Redis
) -> None:
    store_history(redis, "user-1", BEHAVIORS)

    stored = service.ranking(body(explain=3))
    inline = service.ranking(body(explain=3, behaviors=INLINE))

    assert stored["user"] == inline["user"] == {"behaviors": 3, "unknown_items": 0}
    assert ctr_by_ad(stored) == pytest.approx(ctr_by_ad(inline), abs=1e-6)
    assert _attended_ids(stored) == _attended_ids(inline)


def test_a_stored_behavior_that_the_model_does_not_know_has_no_name(
    service: RunningService, redis: Redis
) -> None:
    store_history(redis, "user-1", [("never seen", "category-1", 7)])

    answer = service.ranking(body(explain=1))

    (attended,) = answer["ranked"][0]["attention"]
    assert attended["item_id"] is None  # Redis has its hash alone
    assert (attended["category_id"], attended["timestamp"]) == ("category-1", 7)


def test_inline_behaviors_replace_the_stored_ones(service: RunningService, redis: Redis) -> None:
    before = service.ranking(body(behaviors=INLINE[:1]))
    store_history(redis, "user-1", BEHAVIORS)

    after = service.ranking(body(behaviors=INLINE[:1]))

    assert after["user"]["behaviors"] == 1
    assert ctr_by_ad(after) == pytest.approx(ctr_by_ad(before), abs=1e-6)


def test_an_empty_list_of_behaviors_means_none_at_all(
    service: RunningService, redis: Redis
) -> None:
    cold = service.ranking(body())
    store_history(redis, "user-1", BEHAVIORS)

    emptied = service.ranking(body(behaviors=[]))

    assert emptied["user"]["behaviors"] == 0
    assert ctr_by_ad(emptied) == pytest.approx(ctr_by_ad(cold), abs=1e-6)


def test_behaviors_change_the_scores(service: RunningService) -> None:
    without = ctr_by_ad(service.ranking(body(behaviors=[])))

    with_behaviors = ctr_by_ad(service.ranking(body(behaviors=INLINE)))

    assert with_behaviors != pytest.approx(without, abs=1e-6)


def test_a_user_without_a_history_is_cold_and_not_degraded(
    service: RunningService, redis: Redis
) -> None:
    assert not redis.keys()
    cold_users = service.metric("ctr_cold_users_total")

    answer = service.ranking(body(user_id="nobody knows me"))

    assert answer["user"]["behaviors"] == 0
    assert answer["degraded"] is None
    assert service.metric("ctr_cold_users_total") == cold_users + 1


@pytest.mark.parametrize(
    "user_id", ["ユーザー", "{user}", "a\nb", "a b", "\u0000", "*", "e\u0301", "x" * 256], ids=ascii
)
def test_any_text_can_be_a_user_id(service: RunningService, redis: Redis, user_id: str) -> None:
    store_history(redis, user_id, BEHAVIORS)

    answer = service.ranking(body(user_id=user_id))

    assert answer["user"]["behaviors"] == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"context": {"device": "desktop"}},
        {"context": {"device": "never seen"}},
        {"profile": {"age": 70}},
        {"profile": {"age": "70"}},
        {"candidates": [ad(number, price=9.5) for number in range(5)]},
        {"candidates": [ad(number, price="9.5") for number in range(5)]},
    ],
    ids=str,
)
def test_side_fields_change_the_scores(service: RunningService, changed: Json) -> None:
    plain = body(context={"device": "phone"}, profile={"age": 30}, behaviors=INLINE)
    before = ctr_by_ad(service.ranking(plain))

    after = ctr_by_ad(service.ranking({**plain, **changed}))

    assert after != pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize(
    ("spread", "fields"),
    [
        ({"context": {"mood": [1.5, -2]}}, {"context": {"mood_0": 1.5, "mood_1": -2}}),
        ({"profile": {"mood": [1.5, -2]}}, {"profile": {"mood_0": 1.5, "mood_1": -2}}),
        (
            {"candidates": [ad(1, mood=[1.5, -2]), ad(2, mood=[3, 1]), ad(3)]},
            {"candidates": [ad(1, mood_0=1.5, mood_1=-2), ad(2, mood_0=3, mood_1=1), ad(3)]},
        ),
    ],
    ids=["context", "profile", "candidates"],
)
def test_a_list_of_numbers_is_a_field_for_each(
    moody: RunningService, spread: Json, fields: Json
) -> None:
    plain = body(candidates=[ad(1), ad(2), ad(3)])

    as_list = ctr_by_ad(moody.ranking({**plain, **spread}))
    as_fields = ctr_by_ad(moody.ranking({**plain, **fields}))

    assert as_list == pytest.approx(as_fields, abs=1e-6)
    assert as_list != pytest.approx(ctr_by_ad(moody.ranking(plain)), abs=1e-6)


@pytest.mark.parametrize(
    "unread",
    [
        {"context": {"weather": "rain"}},
        {"profile": {"shoe_size": 44}},
        {"candidates": [ad(number, color="red", headline=None) for number in range(5)]},
    ],
    ids=str,
)
def test_fields_that_the_model_does_not_read_change_nothing(
    service: RunningService, unread: Json
) -> None:
    plain = body(behaviors=INLINE)

    answer = service.ranking({**plain, **unread})

    assert ctr_by_ad(answer) == pytest.approx(ctr_by_ad(service.ranking(plain)), abs=1e-6)


def test_the_profile_is_read_from_redis_unless_the_request_has_one(
    service: RunningService, redis: Redis
) -> None:
    redis.hset("profile:{user-1}", mapping={"age": "70"})

    stored = ctr_by_ad(service.ranking(body()))
    given = ctr_by_ad(service.ranking(body(profile={"age": 70})))
    replaced = ctr_by_ad(service.ranking(body(profile={})))

    assert stored == pytest.approx(given, abs=1e-6)
    assert replaced != pytest.approx(stored, abs=1e-6)


def test_the_catalog_fills_in_what_the_request_leaves_out(
    service: RunningService, redis: Redis
) -> None:
    complete = [ad(number, price=2.0) for number in range(5)]
    for one in complete:
        redis.hset(f"ad:{{{one['ad_id']}}}", mapping={k: v for k, v in one.items() if k != "ad_id"})

    named_only = service.ranking(body(candidates=[{"ad_id": one["ad_id"]} for one in complete]))
    given = service.ranking(body(candidates=complete))

    assert named_only["user"] == given["user"] == {"behaviors": 0, "unknown_items": 0}
    assert ctr_by_ad(named_only) == pytest.approx(ctr_by_ad(given), abs=1e-6)


def test_what_the_request_says_of_an_ad_wins_over_the_catalog(
    service: RunningService, redis: Redis
) -> None:
    redis.hset("ad:{ad-1}", mapping={"item_id": "item-9", "category_id": "category-4"})

    mixed = service.ranking(body(candidates=[{"ad_id": "ad-1", "item_id": "item-1"}]))
    expected = service.ranking(body(candidates=[ad(1, category_id="category-4")]))

    assert ctr_by_ad(mixed) == pytest.approx(ctr_by_ad(expected), abs=1e-6)


def test_an_ad_that_nobody_knows_is_scored_as_unknown(
    service: RunningService, redis: Redis
) -> None:
    assert not redis.keys()

    answer = service.ranking(body(candidates=[{"ad_id": "ad-1"}, *ads(1)]))

    assert answer["user"]["unknown_items"] == 1
    assert len(answer["ranked"]) == 2


@pytest.mark.parametrize("value", [b"\xff\xfe", b"text"], ids=repr)
@pytest.mark.parametrize("key", ["profile:{user-1}", "ad:{ad-1}"])
def test_an_unreadable_hash_is_scored_without(
    service: RunningService, redis: Redis, key: str, value: bytes
) -> None:
    redis.hset(key, mapping={"age": value, "item_id": value, "price": value})

    answer = service.ranking(body(candidates=[{"ad_id": "ad-1"}]))

    assert answer["degraded"] is None
    assert len(answer["ranked"]) == 1


@pytest.mark.parametrize("key", ["profile:{user-1}", "ad:{ad-1}"])
def test_a_hash_of_another_type_is_counted_and_scored_without(
    service: RunningService, redis: Redis, key: str
) -> None:
    redis.set(key, "not a hash")
    labels = {"kind": key.partition(":")[0], "outcome": "wrong_type"}
    before = service.metric("ctr_feature_reads_total", **labels)

    answer = service.ranking(body(candidates=[{"ad_id": "ad-1"}]))

    assert answer["degraded"] is None
    assert service.metric("ctr_feature_reads_total", **labels) == before + 1


def _attended_ids(answer: Json) -> list[list[tuple[str, int]]]:
    return [
        [(one["item_id"], one["timestamp"]) for one in ranked["attention"]]
        for ranked in answer["ranked"]
    ]
