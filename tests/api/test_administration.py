"""Whoever has the admin key changes what is served; nobody else, and never by halves."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.administered import BEARER, KEY, administered
from tests.api.bodies import body
from tests.artifacts import publish_tiny_versions
from tests.serving import RunningService, patient, serving

ACTIVATE = "/v1/models/tiny/versions/{}/activate"
ROLLBACK = "/v1/models/tiny/rollback"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", of which 1 is active."""
    return publish_tiny_versions(tmp_path, 2)


@pytest.fixture
def service(root: Path, redis_server: str) -> Iterator[RunningService]:
    with administered(root, redis_server) as running:
        yield running


def version_of(service: RunningService) -> str:
    version: str = service.ranking(body())["model"]["version"]
    return version


def states(service: RunningService) -> dict[str, str]:
    shown = service.client.get("/v1/models/tiny").json()
    return {one["version"]: one["state"] for one in shown["versions"]}


def test_an_activated_version_answers_and_a_rollback_takes_it_back(root, service):
    before = version_of(service)

    activated = service.client.post(ACTIVATE.format(2), headers=BEARER)
    between = version_of(service)
    back = service.client.post(ROLLBACK, headers=BEARER)

    assert (activated.status_code, back.status_code) == (200, 200)
    assert (activated.json()["version"], activated.json()["state"]) == ("2", "ACTIVE")
    assert (before, between, version_of(service)) == ("1", "2", "1")
    assert (root / "tiny" / "ACTIVE").read_text() == "1\n"


def test_both_versions_answer_with_scores_of_their_own(service):
    first = service.ranking(body())

    service.client.post(ACTIVATE.format(2), headers=BEARER)
    second = service.ranking(body())

    assert [ad["ctr"] for ad in first["ranked"]] != [ad["ctr"] for ad in second["ranked"]]


def test_every_version_is_listed_with_its_state(service):
    before = states(service)

    service.client.post(ACTIVATE.format(2), headers=BEARER)

    assert before == {"1": "ACTIVE", "2": "STORED"}
    assert states(service) == {"1": "READY", "2": "ACTIVE"}


def test_a_refused_version_is_listed_with_its_reason(root, service):
    weights = root / "tiny" / "2" / "weights.safetensors"
    weights.write_bytes(b"\x80\x04" + weights.read_bytes()[2:])

    refused = service.client.post(ACTIVATE.format(2), headers=BEARER)

    (second,) = service.client.get("/v1/models/tiny").json()["versions"][1:]
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:ctr-serve:version-refused"
    assert (second["state"], second["reason"]) == ("REFUSED", refused.json()["detail"])
    assert second["reason"].startswith("tiny/2/weights.safetensors is not the file that was ")
    assert version_of(service) == "1"


def test_the_key_may_come_in_a_header_of_its_own(service):
    answer = service.client.post(ACTIVATE.format(2), headers={"X-Admin-Key": KEY})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", [ACTIVATE.format(2), ROLLBACK])
def test_without_a_key_nothing_happens(service, path):
    answer = service.client.post(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer KEY" in answer.json()["detail"]
    assert version_of(service) == "1"


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"Authorization": "Bearer wrong"}, id="another key"),
        pytest.param({"Authorization": f"Bearer {KEY[:-1]}"}, id="the start of it"),
        pytest.param({"Authorization": f"Bearer {KEY}!"}, id="more than it"),
        pytest.param({"X-Admin-Key": "wrong"}, id="in the other header"),
        pytest.param({"X-Admin-Key": "schlüssel".encode()}, id="not ASCII"),
        pytest.param({"Authorization": "Bearer wrong", "X-Admin-Key": KEY}, id="two keys"),
    ],
)
@pytest.mark.parametrize("path", [ACTIVATE.format(2), ROLLBACK])
def test_with_a_wrong_key_nothing_happens(service, path, shown):
    answer = service.client.post(path, headers=shown)

    assert answer.status_code == 403
    assert answer.json()["detail"] == "this is not the admin key of this service"
    assert version_of(service) == "1"


def test_a_key_that_is_no_ascii_is_understood(root, redis_server):
    with serving(
        patient(model_store=root, admin_key="schlüssel zum laden"), redis_server
    ) as service:
        shown = {"X-Admin-Key": "schlüssel zum laden".encode()}

        assert service.client.post(ACTIVATE.format(2), headers=shown).status_code == 200


def test_without_a_key_of_its_own_a_service_takes_no_administration(root, redis_server):
    with serving(patient(model_store=root), redis_server) as service:
        answers = [service.client.post(ACTIVATE.format(2), headers=h) for h in ({}, BEARER)]

        assert [answer.status_code for answer in answers] == [403, 403]
        assert "CTR_ADMIN_KEY" in answers[0].json()["detail"]
        assert version_of(service) == "1"


def test_the_key_is_in_no_log_line_and_no_answer(service, caplog):
    caplog.set_level(logging.DEBUG)
    answers = [
        service.client.post(path, headers=headers)
        for path in (ACTIVATE.format(2), ACTIVATE.format(7), ROLLBACK)
        for headers in (BEARER, {"X-Admin-Key": KEY}, {"Authorization": f"Bearer {KEY}x"})
    ]

    told = json.dumps([vars(record) for record in caplog.records], default=str)
    assert "a version became active" in told
    assert KEY not in told + "".join(answer.text for answer in answers)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param(ACTIVATE.format(7), 404, id="no such version"),
        pytest.param("/v1/models/nobody/versions/1/activate", 404, id="no such model"),
        pytest.param("/v1/models/..%2Ftiny/versions/1/activate", 404, id="a path"),
        pytest.param("/v1/models/tiny/versions/%00/activate", 404, id="no name"),
        pytest.param("/v1/models/nobody/rollback", 404, id="nothing to roll back"),
        pytest.param(ROLLBACK, 409, id="nothing before it"),
    ],
)
def test_what_cannot_be_done_is_said(service, path, status):
    answer = service.client.post(path, headers=BEARER)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert version_of(service) == "1"


def test_a_rollback_says_that_the_history_cannot_be_read(root, service):
    (root / "tiny" / "HISTORY").mkdir()  # where a file has to be

    answer = service.client.post(ROLLBACK, headers=BEARER)

    assert answer.status_code == 507
    assert "HISTORY is not a regular file" in answer.json()["detail"]
    assert version_of(service) == "1"


def test_a_store_that_cannot_be_written_to_is_no_half_of_a_swap(root, service):
    (root / "tiny" / "HISTORY").mkdir()  # where a file has to be

    answer = service.client.post(ACTIVATE.format(2), headers=BEARER)

    assert answer.status_code == 507
    assert "tiny@2 is active, so it is not" in answer.json()["detail"]
    assert version_of(service) == "1"
    assert (root / "tiny" / "ACTIVE").read_text() == "1\n"
