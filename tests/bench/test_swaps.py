"""Versions take over from each other under load, and every answer is that of its version."""

import asyncio
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from app.registry.model_store import ModelStore
from bench.known_requests import KnownRequest, known_requests
from bench.second_version import store_with_two_versions
from bench.swaps import Outcome, Plan, swap_under_load
from tests.artifacts import publish_tiny_version

GOOD = Outcome(1, requests=1, p99_times=1.0)


@pytest.fixture
def model_store(tmp_path: Path) -> Path:
    publish_tiny_version(tmp_path / "source", side_fields=())
    return tmp_path / "source"


def test_swaps_under_load_fail_no_request_and_mix_no_versions(model_store: Path) -> None:
    plan = Plan(swaps=4, requests_per_s=100, quiet_s=0.05, candidates=3, behaviors=4)

    outcome = asyncio.run(swap_under_load(model_store, "tiny", plan))

    assert outcome.outcomes.keys() == {"200"}
    assert outcome.wrong == {}
    assert outcome.versions.keys() == {"1", "2"}


def test_more_items_make_a_larger_version_that_scores_the_same_requests(
    model_store: Path, tmp_path: Path
) -> None:
    store_with_two_versions(model_store, "tiny", tmp_path / "small")
    store_with_two_versions(model_store, "tiny", tmp_path / "large", items=1_000)
    small, large = (ModelStore(tmp_path / one).load("tiny", "1") for one in ("small", "large"))

    assert large.vocabularies["item_id"].rows == small.vocabularies["item_id"].rows + 1_000
    assert large.golden.requests[0].ctr[0] == pytest.approx(small.golden.requests[0].ctr[0])


@pytest.fixture
def known(model_store: Path, tmp_path: Path) -> KnownRequest:
    versions = store_with_two_versions(model_store, "tiny", tmp_path / "two")
    (one,) = known_requests(ModelStore(tmp_path / "two"), "tiny", versions, (3, 4), count=1)
    return one


def answer(known: KnownRequest, *, says: str, scores_of: str, **changes: object) -> bytes:
    ranked = [{"ad_id": ad, "ctr": ctr} for ad, ctr in known.ctr_of[scores_of].items()]
    body = {"model": {"version": says}, "degraded": None, "ranked": ranked}
    return orjson.dumps(body | changes)


def test_an_answer_of_its_version_is_right(known: KnownRequest) -> None:
    assert known.judge(answer(known, says="2", scores_of="2")) is None


def test_scores_of_another_version_are_noticed(known: KnownRequest) -> None:
    assert known.judge(answer(known, says="2", scores_of="1")) == "scores of another version"


def test_missing_ads_and_degraded_answers_are_noticed(known: KnownRequest) -> None:
    degraded = answer(known, says="1", scores_of="1", degraded="prior")

    assert known.judge(answer(known, says="1", scores_of="1", ranked=[])) == "ads are missing"
    assert known.judge(degraded) == "degraded: prior"


@pytest.mark.parametrize(
    "bad",
    [
        {"failed": 1},
        {"wrong": {"scores of another version": 1}},
        {"p99_times": 1.6},
        {"mib_per_swap": 1.0},
        {"requests": 0},
    ],
    ids=["failed", "wrong", "slow", "leaky", "nothing"],
)
def test_a_run_that_misses_something_is_not_good(bad: dict[str, object]) -> None:
    assert GOOD.is_good()
    assert not replace(GOOD, **bad).is_good()
