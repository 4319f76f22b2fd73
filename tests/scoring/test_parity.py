"""A file of requests gets the answers that the service gives to the same requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.api.bodies import BEHAVIORS, ad, ads, body, store_history, wire_behaviors
from tests.scoring.files import Json, answers, write_lines, write_parquet
from tests.serving import RunningService, patient, serving

INLINE = wire_behaviors(BEHAVIORS)
MANY = wire_behaviors([(f"item-{n}", f"category-{n % 5}", n) for n in range(30)])
BIDDING = [ad(number, bid=bid) for number, bid in enumerate([0.5, 3.0, 0.0, 0.25, 9.0])]

# Of all that a request can say; what it leaves out is in Redis, or nowhere.
ROWS: dict[str, Json] = {
    "plain": body(behaviors=INLINE),
    "empty history": body(behaviors=[]),
    "history left out": body(user_id="stored"),
    "nobody knows the user": body(user_id="cold"),
    "more behaviors than are read": body(behaviors=MANY, explain=20),
    "unknown ids": body(
        behaviors=wire_behaviors([("new", "new", 5)]), candidates=[ad(1, item_id="new"), ad(2)]
    ),
    # Not both in full: equal scores are ordered by their last bit.
    "ads left out": body(
        candidates=[{"ad_id": "ad-1"}, {"ad_id": "ad-0", "category_id": "category-2", "bid": 1.0}]
    ),
    "context and profile": body(context={"device": "phone"}, profile={"age": 63.0}),
    "profile left out": body(user_id="stored", context={"device": "never seen"}),
    "profile emptied": body(user_id="stored", context={"device": "never seen"}, profile={}),
    "candidate fields": body(candidates=[ad(1, price=9.5), ad(2, price="2"), ad(3, mood=[1, 2])]),
    "by revenue": body(candidates=BIDDING, rank_by="ecpm", behaviors=INLINE, explain=2),
    "the best alone": body(candidates=ads(40), top_k=3, behaviors=MANY, explain=1),
    "for another model": body(model="another", deadline_ms=1e-9),
}


@pytest.fixture(scope="module")
def service(store: Path, redis_server: str) -> Iterator[RunningService]:
    with serving(patient(model_store=store), redis_server) as running:
        yield running


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def served(service: RunningService, row: Json) -> Json:
    """The service's answer, where neither haste nor another model is asked for."""
    return service.ranking(row | {"model": None, "deadline_ms": None})


def assert_same(scored: Json, answer: Json) -> None:
    assert scored.keys() == answer.keys()
    for name in ("model", "user", "degraded"):
        assert scored[name] == answer[name]
    assert scored["ranked"] == [nearly(ranked) for ranked in answer["ranked"]]


def nearly(ranked: Json) -> Json:
    ecpm = ranked["ecpm"]
    return {
        **ranked,
        "ctr": pytest.approx(ranked["ctr"], abs=1e-6),
        "ecpm": None if ecpm is None else pytest.approx(ecpm, rel=1e-5),
        "attention": [
            {**one, "weight": pytest.approx(one["weight"], abs=1e-6)} for one in ranked["attention"]
        ],
    }


def test_with_redis_every_row_is_answered_as_the_service_answers_it(
    store: Path, service: RunningService, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    store_history(redis, "stored", BEHAVIORS)
    redis.hset("profile:{stored}", mapping={"age": "70"})
    redis.hset("ad:{ad-1}", mapping={"item_id": "item-9", "category_id": "category-4"})
    rows = write_lines(tmp_path / "rows.jsonl", list(ROWS.values()))

    scored = answers(store, "--input", rows, redis_url=redis_url)

    expected = [served(service, row) for row in ROWS.values()]
    for ours, theirs in zip(scored, expected, strict=True):
        assert_same(ours, theirs)
    by_name = dict(zip(ROWS, scored, strict=True))
    assert by_name["history left out"]["user"]["behaviors"] == 3
    assert by_name["ads left out"]["user"]["unknown_items"] == 1
    assert by_name["profile left out"]["ranked"] != by_name["profile emptied"]["ranked"]


def test_without_redis_what_is_left_out_is_unknown(
    store: Path, service: RunningService, redis: Redis, tmp_path: Path
) -> None:
    assert not redis.keys()
    rows = write_lines(tmp_path / "rows.jsonl", list(ROWS.values()))

    scored = answers(store, "--input", rows)

    for ours, row in zip(scored, ROWS.values(), strict=True):
        assert_same(ours, served(service, row))
    assert scored[list(ROWS).index("ads left out")]["user"]["unknown_items"] == 2


def test_parquet_rows_are_answered_as_the_same_lines(store: Path, tmp_path: Path) -> None:
    # A column has one type, where a line may have any.
    rows = [row for name, row in ROWS.items() if name != "candidate fields"]
    rows.append(body(candidates=[ad(1, price=9.5), ad(2, price=2.0, mood=[1.0, 2.0])]))
    lines = write_lines(tmp_path / "rows.jsonl", rows)
    table = write_parquet(tmp_path / "rows.parquet", rows)

    of_table, of_lines = (answers(store, "--input", file) for file in (table, lines))

    for ours, theirs in zip(of_table, of_lines, strict=True):
        assert_same(ours, theirs)
