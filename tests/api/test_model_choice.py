"""Which model answers, and what the service says about the models it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.registry.manifest import LadderRung, RungQuality
from tests.api.bodies import body, ctr_by_ad
from tests.artifacts import TINY_RATES, publish_tiny_version
from tests.serving import RunningService, patient, serving


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two_models")
    publish_tiny_version(root, "first", seed=1)
    publish_tiny_version(root, "second", seed=2)
    publish_tiny_version(root, "second", seed=3)
    return root


@pytest.fixture(scope="module")
def undecided(two_models: Path, redis_server: str) -> Iterator[RunningService]:
    with serving(patient(model_store=two_models), redis_server) as running:
        yield running


def test_a_request_chooses_its_model_by_name(undecided: RunningService) -> None:
    first = undecided.ranking(body(model="first"))
    second = undecided.ranking(body(model="second"))

    assert first["model"] == {"name": "first", "version": "1"}
    assert second["model"] == {"name": "second", "version": "2"}
    assert ctr_by_ad(first) != pytest.approx(ctr_by_ad(second), abs=1e-6)


def test_a_request_that_names_no_model_must_where_there_are_several(
    undecided: RunningService,
) -> None:
    answer = undecided.rank(body())

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "model"
    assert "first" in error["message"]
    assert "second" in error["message"]


def test_a_default_model_answers_requests_that_name_none(
    two_models: Path, redis_server: str
) -> None:
    settings = patient(model_store=two_models, default_model="first")

    with serving(settings, redis_server) as decided:
        unnamed, named = decided.ranking(body()), decided.ranking(body(model="second"))

    assert unnamed["model"]["name"] == "first"
    assert named["model"]["name"] == "second"


def test_the_only_model_needs_no_name(service: RunningService) -> None:
    assert service.ranking(body())["model"]["name"] == "tiny"
    assert service.ranking(body(model="tiny"))["model"]["name"] == "tiny"


@pytest.mark.parametrize("name", ["nope", "Tiny", "Tiny@1", "../tiny", "\u0000", "名"], ids=ascii)
def test_an_unknown_model_is_a_404(service: RunningService, name: str) -> None:
    answer = service.rank(body(model=name))

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Unknown model"


def test_the_models_are_listed_with_their_versions(undecided: RunningService) -> None:
    listed = undecided.client.get("/v1/models").json()

    versions = {model["name"]: model["version"] for model in listed["models"]}
    assert versions == {"first": "1", "second": "2"}
    assert listed["default"] is None
    for name in versions:
        shown = undecided.client.get(f"/v1/models/{name}").json()
        assert shown in listed["models"]
        assert shown["state"] == "ACTIVE"


def test_what_degraded_answers_are_worth_is_shown_where_it_was_measured(
    tmp_path: Path, redis_server: str
) -> None:
    quality = RungQuality(auc=0.55, logloss=0.4, pcoc=1.01)
    rung = LadderRung(degraded="prior", behaviors=0, metrics={"test": quality})
    publish_tiny_version(tmp_path, "measured", rates=TINY_RATES, ladder=[rung])
    publish_tiny_version(tmp_path, "older")

    with serving(patient(model_store=tmp_path), redis_server) as running:
        measured, older = (
            running.client.get(f"/v1/models/{name}").json() for name in ("measured", "older")
        )

    assert measured["ladder"] == [
        {
            "degraded": "prior",
            "behaviors": 0,
            "missing_newest": 0,
            "metrics": {"test": {"auc": 0.55, "logloss": 0.4, "pcoc": 1.01}},
        }
    ]
    assert measured["prior"] == {"mean_ctr": 0.1, "by": ["item_id", "category_id"]}
    assert older["ladder"] == []
    assert older["prior"] == {"mean_ctr": 0.1, "by": []}


@pytest.mark.parametrize("name", ["nope", "%ff", "%ed%a0%80", "a%00b", "%22"])
def test_a_model_that_is_not_there_cannot_be_shown(service: RunningService, name: str) -> None:
    answer = service.client.get(f"/v1/models/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
