"""Rows are scored together, as many as may share a batch, and never read far ahead."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.request import Candidates, RankRequest
from app.errors import StartupRefused
from app.features.feature_reader import FeatureReader
from app.features.redis_store import RedisStore, connect
from app.monitoring.metrics import Metrics
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import ModelStore
from app.scoring.features import NO_REDIS, SentFeatures, StoredFeatures
from app.scoring.ranking import OfflineRanker, batches_of
from app.scoring.rows import Row
from tests.api.bodies import body
from tests.fakes import FailingEngine
from tests.features.histories import history
from tests.features.redis_stores import PATIENT_S, raw_client, url_where_nothing_listens
from tests.scoring.files import answers, score, write_lines

ADS = Candidates(["ad"] * 4, [None] * 4, {"item_id": ["item-1"] * 4, "category_id": ["?"] * 4})
COLD = RankRequest("cold", ADS)
costs = st.lists(st.integers(1, 30), max_size=20)


@pytest.fixture(scope="module")
def version(store: Path) -> LoadedVersion:
    return load_version(ModelStore(store).load("tiny", "1"), torch.device("cpu"))


def numbered(request: RankRequest, count: int) -> Iterator[Row]:
    return (Row(number, request) for number in range(1, count + 1))


@given(costs, st.integers(1, 40))
def test_batches_keep_the_rows_in_order_and_are_as_full_as_may_be(costs, max_cost):
    rows = [Row(number, COLD) for number in range(len(costs))]

    batches = list(batches_of(zip(rows, costs, strict=True), max_cost))

    assert [row for batch in batches for row in batch] == rows
    sums = [sum(costs[row.number] for row in batch) for batch in batches]
    assert all(
        total <= max_cost or len(batch) == 1 for total, batch in zip(sums, batches, strict=True)
    )
    firsts = [costs[batch[0].number] for batch in batches[1:]]
    assert all(total + first > max_cost for total, first in zip(sums, firsts, strict=False))


def test_no_more_rows_are_read_than_the_next_batch_needs(version):
    read: list[int] = []

    def rows() -> Iterator[Row]:
        for row in numbered(COLD, 1000):
            read.append(row.number)
            yield row

    ranker = OfflineRanker(version, SentFeatures(lambda _: None), max_batch_pairs=40)
    next(ranker.rank(rows()))

    assert len(read) == 40 // len(ADS) + 1


def test_a_file_is_never_answered_without_the_model(store):
    version = load_version(ModelStore(store).load("tiny", "1"), torch.device("cpu"))
    version.runtime = FailingEngine()
    ranker = OfflineRanker(version, SentFeatures(lambda _: None), max_batch_pairs=40)

    with pytest.raises(RuntimeError, match="the engine is broken"):
        next(ranker.rank(numbered(COLD, 1)))


def test_a_row_scores_the_same_in_every_batch(version):
    requests = [RankRequest("u", ADS, behaviors=history(*["item-1"] * n)) for n in range(15)]
    rows = [Row(number, request) for number, request in enumerate(requests)]

    alone, together = (
        [
            [ranked.ctr for ranked in ranking.ranked]
            for _, ranking in OfflineRanker(version, SentFeatures(print), pairs).rank(rows)
        ]
        for pairs in (1, 10_000)
    )

    assert together == [pytest.approx(ctrs, abs=1e-6) for ctrs in alone]


def test_that_histories_are_missing_is_said_once_and_only_if_some_are():
    said: list[str] = []
    features = SentFeatures(said.append)

    features.read([RankRequest("u", ADS, behaviors=history())])
    assert said == []

    for _ in range(3):
        features.read([COLD, COLD])
    assert said == [NO_REDIS]


def test_a_redis_that_does_not_answer_stops_before_anything_is_written(store, tmp_path):
    rows = write_lines(tmp_path / "rows.jsonl", [body()])
    nowhere = url_where_nothing_listens()

    result = score(store, "--input", rows, "--output", tmp_path / "a.jsonl", redis_url=nowhere)

    assert isinstance(result.exception, StartupRefused)
    assert "the Redis of CTR_REDIS_URL does not answer: unreachable" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_redis_that_is_lost_on_the_way_stops_the_file(version):
    with asyncio.Runner() as runner:
        client = connect(url_where_nothing_listens(), timeout_s=PATIENT_S)
        redis_store = RedisStore(client, max_stored_behaviors=50)
        reader = FeatureReader(redis_store, Metrics(), timeout_s=PATIENT_S)
        features = StoredFeatures(reader, version.encoder.schema, runner)

        with pytest.raises(StartupRefused, match="the Redis of CTR_REDIS_URL was lost: unreach"):
            features.read([COLD])

        runner.run(reader.close())
        runner.run(redis_store.close())


def test_an_unreadable_history_is_a_degraded_answer(store, redis_url, tmp_path):
    with raw_client(redis_url) as redis:
        redis.set("behaviors:{user-1}", b"something else")
    rows = write_lines(tmp_path / "rows.jsonl", [body(), body(user_id="cold")])

    degraded, cold = answers(store, "--input", rows, redis_url=redis_url)

    assert (degraded["degraded"], cold["degraded"]) == ("no_history", None)
