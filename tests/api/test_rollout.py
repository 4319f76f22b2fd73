"""Whoever has the admin key rolls a version out over HTTP; everybody sees what becomes of it."""

import json

import pytest

from app.core.calibration import Platt
from app.recording.record_files import read_records
from app.registry.rollout.user_split import UserSplit
from tests.api.administered import BEARER, administered
from tests.api.bodies import body
from tests.api.raw_http import exchange, parse
from tests.artifacts import publish_tiny_version, with_the_first_active
from tests.eventually import eventually

ROLLOUT = "/v1/models/tiny/rollout"


@pytest.fixture
def root(tmp_path):
    publish_tiny_version(tmp_path)
    publish_tiny_version(tmp_path, calibration=Platt(slope=1.0, offset=0.5))
    return with_the_first_active(tmp_path)


@pytest.fixture
def service(root, redis_server):
    recording = {"record_share": 1, "record_folder": root / "recorded"}
    with administered(root, redis_server, **recording) as running:
        yield running


def put(service, **plan):
    return service.client.put(ROLLOUT, json=plan, headers=BEARER)


def test_a_canary_is_answered_by_the_new_version_and_everybody_else_by_the_active_one(service):
    put(service, version="2", percent=50)

    users = [f"user-{number}" for number in range(20)]
    answered = {user: service.ranking(body(user_id=user))["model"]["version"] for user in users}

    split = UserSplit("tiny@2", 50)
    assert answered == {user: "2" if split.takes(user) else "1" for user in users}


def test_what_is_under_way_is_shown_with_its_measures(service):
    answer = put(service, version="2", mode="shadow", percent=100)
    service.ranking(body())

    shown = service.client.get("/v1/models/tiny").json()["rollout"]
    assert answer.status_code == 200
    assert shown["under_way"]["version"] == "2"
    assert shown["under_way"]["requests"]["active"]["scored"] == 1
    assert shown["last"]["event"] == "started"
    assert service.metric("ctr_rollout_percent", model="tiny", version="2") == 100


def test_the_active_version_is_shown_whoever_is_in_a_canary(service):
    put(service, version="2", percent=50)

    assert service.client.get("/v1/models/tiny").json()["version"] == "1"


@pytest.mark.parametrize("how", ["delete", "percent 0"])
def test_an_operator_stops_it(service, root, how):
    put(service, version="2", percent=50)

    if how == "delete":
        stopped = service.client.delete(ROLLOUT, headers=BEARER)
    else:
        stopped = put(service, version="2", percent=0)

    assert stopped.json()["rollout"]["under_way"] is None
    assert stopped.json()["rollout"]["last"]["reason"] == "an operator has stopped it"
    lines = (root / "tiny" / "rollouts.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started", "stopped"]
    assert service.metric("ctr_rollout_percent") == 0


@pytest.mark.parametrize(
    ("plan", "status"),
    [
        ({"version": "2", "percent": 51}, 422),
        ({"version": "2", "percent": -1}, 422),
        ({"version": "2", "percent": 10, "mode": "sideways"}, 422),
        ({"version": "2", "percent": "10"}, 422),
        ({"version": "2", "percent": True}, 422),
        ({"version": "1", "percent": 10}, 409),  # it is active
        ({"version": "99", "percent": 10}, 404),
        ({"percent": 10}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(service, plan, status):
    assert put(service, **plan).status_code == status


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"X-Admin-Key": "guess"}, 403)])
def test_nobody_rolls_out_without_the_key(service, headers, status):
    plan = {"version": "2", "percent": 10}

    asked = service.client.put(ROLLOUT, json=plan, headers=headers)
    stopped = service.client.delete(ROLLOUT, headers=headers)

    assert (asked.status_code, stopped.status_code) == (status, status)
    assert service.client.get("/v1/models/tiny").json()["rollout"]["under_way"] is None


@pytest.mark.parametrize("path", [ROLLOUT, "/v1/models/tiny/labels/stable"])
def test_nothing_is_read_of_whoever_has_no_key(service, path):
    head = f"PUT {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"

    answer = parse(exchange(service, f"{head}Content-Length: 1000000000\r\n\r\n".encode()))

    assert answer.status == 401


@pytest.mark.parametrize(
    ("sent", "status"), [(b"{", 400), (b" " * 2**22, 413), (b"[]", 422), (b'{"percent": 5}', 422)]
)
def test_a_body_that_is_no_plan_is_refused_as_a_problem(service, sent, status):
    answer = service.client.put(ROLLOUT, content=sent, headers=BEARER)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_answers_are_recorded_with_the_version_that_gave_them(service, root):
    put(service, version="2", percent=50)
    users = [f"user-{number}" for number in range(8)]

    for user in users:
        service.ranking(body(user_id=user))
    eventually(lambda: service.metric("ctr_recorded_requests_total", outcome="written") == 8)

    records = list(read_records(root / "recorded"))
    split = UserSplit("tiny@2", 50)
    assert [one.version for one in records] == ["2" if split.takes(one) else "1" for one in users]
    assert not any(user in one.user for user, one in zip(users, records, strict=True))
