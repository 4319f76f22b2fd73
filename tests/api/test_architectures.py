"""DIEN, DIN and DSIN from one store, served by one process: offline scores, sane explanations."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest
from redis import Redis

from app.core.calibration import ctr_of
from app.registry.golden import GoldenRequest
from app.registry.model_store import ModelStore
from tests.api.bodies import Behavior, Json, ctr_by_ad, store_history, wire_behaviors
from tests.artifacts import TINY_ARCHITECTURES, publish_tiny_version
from tests.registry.servables import direct_scores
from tests.serving import RunningService, patient, serving

HALF_HOUR_S = 30 * 60
HISTORY: Sequence[Behavior] = (
    ("item-1", "category-1", 0),
    ("item-2", "category-2", HALF_HOUR_S),  # still in the first session
    ("never seen", "category-2", 2 * HALF_HOUR_S + 1),
    ("item-9", "category-4", 86_400),
    ("item-9", "category-4", 86_400),
)
HISTORIES = {"cold": (), "one": HISTORY[:1], "sessions": HISTORY, "long": HISTORY * 3}

NAMES = list(TINY_ARCHITECTURES)

each_architecture = pytest.mark.parametrize("model", NAMES)
each_history = pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("architectures")
    for name, architecture in TINY_ARCHITECTURES.items():
        publish_tiny_version(root, name, architecture=architecture)
    return root


@pytest.fixture(scope="module")
def all_three(store: Path, redis_server: str) -> Iterator[RunningService]:
    with serving(patient(model_store=store), redis_server) as running:
        yield running


def request_with(history: Sequence[Behavior]) -> GoldenRequest:
    return GoldenRequest(
        user_id="user-1",
        behaviors=tuple(history),
        profile={"age": 31},
        context={"device": "phone"},
        candidates={
            "item_id": ("item-3", "item-4", "never seen", "item-9"),
            "category_id": ("category-3", "category-4", "category-0", "category-4"),
            "price": (4.5, 6.0, None, 1.0),
        },
    )


def body_of(request: GoldenRequest, model: str) -> Json:
    columns = request.candidates
    ads = [
        {"ad_id": str(number), **dict(zip(columns, values, strict=True))}
        for number, values in enumerate(zip(*columns.values(), strict=True))
    ]
    return {
        "user_id": request.user_id,
        "model": model,
        "behaviors": wire_behaviors(request.behaviors),
        "profile": request.profile,
        "context": request.context,
        "candidates": ads,
        "explain": 100,
    }


def test_one_process_serves_every_architecture(all_three: RunningService) -> None:
    listed = all_three.client.get("/v1/models").json()["models"]
    answers = [all_three.ranking(body_of(request_with(HISTORY), name)) for name in NAMES]

    assert {model["architecture"]["name"] for model in listed} == set(NAMES)
    assert [answer["model"]["name"] for answer in answers] == NAMES
    for one, other in combinations(map(ctr_by_ad, answers), 2):
        assert one != pytest.approx(other, abs=1e-3)


@each_history
@each_architecture
def test_ctrs_over_http_are_those_of_the_version_offline(
    all_three: RunningService, store: Path, model: str, history: Sequence[Behavior]
) -> None:
    artifact = ModelStore(store).load(model, "1")
    request = request_with(history)
    (offline,) = direct_scores(artifact, [request.as_request()])

    answer = all_three.ranking(body_of(request, model))

    expected_C = ctr_of(offline.logits_C, artifact.manifest.calibration)
    assert ctr_by_ad(answer) == pytest.approx(
        {str(number): ctr for number, ctr in enumerate(expected_C)}, abs=1e-6
    )


@each_architecture
def test_sessions_in_redis_are_those_of_the_request(
    all_three: RunningService, redis: Redis, model: str
) -> None:
    store_history(redis, "user-1", HISTORY)
    inline = body_of(request_with(HISTORY), model)
    stored = {name: value for name, value in inline.items() if name != "behaviors"}

    answers = [all_three.ranking(body) for body in (inline, stored)]

    assert answers[0]["user"]["behaviors"] == answers[1]["user"]["behaviors"] == len(HISTORY)
    assert ctr_by_ad(answers[0]) == pytest.approx(ctr_by_ad(answers[1]), abs=1e-6)


@each_history
@pytest.mark.parametrize("model", ["dien", "dsin"])
def test_where_attention_is_a_softmax_explanations_are_shares(
    all_three: RunningService, model: str, history: Sequence[Behavior]
) -> None:
    answer = all_three.ranking(body_of(request_with(history), model))

    for ranked in answer["ranked"]:
        weights = [attended["weight"] for attended in ranked["attention"]]
        assert len(weights) == answer["user"]["behaviors"]
        assert all(weight > 0 for weight in weights)
        assert sum(weights) == pytest.approx(1.0 if history else 0.0, abs=1e-5)


def test_intensities_of_a_din_need_not_sum_to_one(all_three: RunningService) -> None:
    answer = all_three.ranking(body_of(request_with(HISTORY), "din"))

    sums = [
        sum(attended["weight"] for attended in ranked["attention"]) for ranked in answer["ranked"]
    ]
    assert all(abs(total - 1.0) > 1e-3 for total in sums)


def test_a_din_does_not_ask_when_a_behavior_was(all_three: RunningService) -> None:
    behaviors = [("item-1", "category-1", 0), ("item-1", "category-1", 86_400)]

    answer = all_three.ranking(body_of(request_with(behaviors), "din"))

    for ranked in answer["ranked"]:
        older, newer = ranked["attention"]
        assert older["weight"] == pytest.approx(newer["weight"], abs=1e-6)


def test_requests_for_all_three_at_once_do_not_disturb_each_other(
    all_three: RunningService,
) -> None:
    bodies = [
        body_of(request_with(history), name) for name in NAMES for history in HISTORIES.values()
    ]
    alone = [ctr_by_ad(all_three.ranking(body)) for body in bodies]

    with ThreadPoolExecutor(8) as threads:
        together = [ctr_by_ad(answer) for answer in threads.map(all_three.ranking, bodies * 3)]

    assert together == [pytest.approx(one, abs=1e-6) for one in alone * 3]
