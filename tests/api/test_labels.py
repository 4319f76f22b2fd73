"""Labels over HTTP: put and removed with the admin key, shown, and asked for by requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.administered import BEARER, administered
from tests.api.bodies import body, ctr_by_ad
from tests.artifacts import publish_tiny_versions
from tests.serving import RunningService

STABLE = "/v1/models/tiny/labels/stable"
ACTIVATE_2 = "/v1/models/tiny/versions/2/activate"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", of which 1 is active."""
    return publish_tiny_versions(tmp_path, 2)


@pytest.fixture
def service(root: Path, redis_server: str) -> Iterator[RunningService]:
    with administered(root, redis_server) as running:
        yield running


def put(service: RunningService, version: str, path: str = STABLE, **headers: str):
    return service.client.put(path, json={"version": version}, headers=headers or BEARER)


def test_a_request_is_answered_by_the_version_that_a_label_points_to(service):
    first = service.ranking(body())
    labeled = put(service, "1")
    service.client.post(ACTIVATE_2, headers=BEARER)

    by_label = service.ranking(body(model="tiny@stable"))
    by_number = service.ranking(body(model="tiny@1"))

    assert labeled.status_code == 200
    assert labeled.json()["labels"] == {"stable": "1"}
    assert service.ranking(body())["model"]["version"] == "2"
    for answer in (by_label, by_number):
        assert answer["model"] == {"name": "tiny", "version": "1"}
        assert ctr_by_ad(answer) == pytest.approx(ctr_by_ad(first), abs=1e-6)


def test_a_label_is_there_after_a_restart(root, redis_server):
    with administered(root, redis_server) as service:
        put(service, "1")
        service.client.post(ACTIVATE_2, headers=BEARER)

    with administered(root, redis_server) as restarted:
        shown = restarted.client.get("/v1/models/tiny").json()
        answer = restarted.ranking(body(model="tiny@stable"))

    assert shown["labels"] == {"stable": "1"}
    assert {one["version"]: one["state"] for one in shown["versions"]} == {
        "1": "READY",
        "2": "ACTIVE",
    }
    assert answer["model"]["version"] == "1"


def test_a_label_that_was_removed_answers_nobody(service):
    put(service, "1")

    removed = service.client.delete(STABLE, headers=BEARER)
    again = service.client.delete(STABLE, headers=BEARER)
    asked = service.rank(body(model="tiny@stable"))

    assert (removed.status_code, removed.json()["labels"]) == (200, {})
    assert (again.status_code, again.json()["title"]) == (404, "Unknown label")
    assert (asked.status_code, asked.json()["title"]) == (404, "Unknown version")


@pytest.mark.parametrize(
    ("path", "version", "status", "title"),
    [
        pytest.param(STABLE, "2", 409, "Label refused", id="not loaded"),
        pytest.param(STABLE, "7", 409, "Label refused", id="no such version"),
        pytest.param("/v1/models/nobody/labels/a", "1", 404, "Unknown model", id="no model"),
        pytest.param("/v1/models/tiny/labels/3", "1", 422, "Invalid request", id="a number"),
        pytest.param("/v1/models/tiny/labels/A", "1", 422, "Invalid request", id="a capital"),
    ],
)
def test_what_cannot_be_labeled_is_said(service, path, version, status, title):
    answer = put(service, version, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == title
    assert service.client.get("/v1/models/tiny").json()["labels"] == {}


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"X-Admin-Key": "wrong"}, 403)])
def test_without_the_key_nothing_is_labeled(service, headers, status):
    answers = (
        service.client.put(STABLE, json={"version": "1"}, headers=headers),
        service.client.delete(STABLE, headers=headers),
    )

    assert [answer.status_code for answer in answers] == [status, status]
    assert service.client.get("/v1/models/tiny").json()["labels"] == {}
