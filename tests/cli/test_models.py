"""`ctr-serve models` looks at versions and changes which one is active, stored or served."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.errors import StartupRefused
from app.registry.model_store import ModelStore
from tests.api.administered import KEY, administered
from tests.artifacts import publish_tiny_version, with_the_first_active
from tests.cli.commands import ROOT, ctr_serve
from tests.features.redis_stores import url_where_nothing_listens
from tests.serving import RunningService, environment


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTR_ADMIN_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", of which 1 is active."""
    for seed in range(2):
        publish_tiny_version(tmp_path, seed=seed, max_behaviors=10 + seed)
    return with_the_first_active(tmp_path)


@pytest.fixture
def service(root: Path, redis_server: str) -> Iterator[RunningService]:
    with administered(root, redis_server) as running:
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def printed(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, StartupRefused), result.output
    message = str(result.exception)
    assert len(message.splitlines()) == 1
    return message


def states(*arguments: str) -> dict[str, str]:
    rows = json.loads(printed("list", *arguments, "--json"))
    return {f"{row['name']}@{row['version']}": row["state"] for row in rows}


def test_a_store_lists_its_versions(root):
    publish_tiny_version(root, "other")

    table = printed("list", "--store", str(root))

    assert re.search(r"tiny@1\s*│\s*ACTIVE\s*│\s*dien", table)
    assert re.search(r"tiny@2\s*│\s*STORED", table)
    assert "other@1" in table
    assert "other@1" not in printed("list", "tiny", "--store", str(root))


@pytest.mark.parametrize("name", [(), ("tiny",)])
def test_a_store_that_is_not_there_is_not_an_empty_one(tmp_path, name):
    nowhere = tmp_path / "nowhere"

    message = refused("list", *name, "--store", str(nowhere))

    assert message.startswith(f"there is no model store at {nowhere}: ")
    assert "publish a version there" in message


def test_an_empty_store_lists_nothing(tmp_path):
    assert json.loads(printed("list", "--store", str(tmp_path), "--json")) == []


def test_a_version_whose_manifest_is_broken_is_listed_as_refused(root):
    (root / "tiny" / "2" / "manifest.json").write_text("{")

    rows = json.loads(printed("list", "tiny", "--store", str(root), "--json"))

    assert [row["state"] for row in rows] == ["ACTIVE", "REFUSED"]
    assert "manifest.json" in rows[1]["reason"]


def test_a_version_is_activated_and_taken_back_on_disk(root):
    activated = printed("activate", "tiny@2", "--store", str(root))
    between = ModelStore(root).active_versions()
    back = printed("rollback", "tiny", "--store", str(root))

    assert activated == "tiny@2 is active. It answers from the next start of a service on.\n"
    assert between == {"tiny": "2"}
    assert back.startswith("tiny@1 is active.")
    assert ModelStore(root).active_versions() == {"tiny": "1"}


def test_a_version_is_activated_and_taken_back_in_a_service(root, service):
    activated = printed("activate", "tiny@2", "--url", service.url)
    between = states("tiny", "--url", service.url)
    back = json.loads(printed("rollback", "tiny", "--url", service.url, "--json"))

    assert activated == "tiny@2 is active. It answers now.\n"
    assert between == {"tiny@1": "READY", "tiny@2": "ACTIVE"}
    assert (back["version"], back["state"]) == ("1", "ACTIVE")
    assert states("--url", service.url)["tiny@1"] == "ACTIVE"


def test_a_label_is_put_shown_and_removed_on_disk(root):
    store = ("--store", str(root))

    put = printed("label", "tiny", "stable", "2", *store)
    rows = json.loads(printed("list", "tiny", *store, "--json"))
    table = printed("list", "tiny", *store)
    removed = json.loads(printed("label", "tiny", "stable", "--remove", *store, "--json"))

    assert put == "tiny has the label stable at 2, from the next start of a service on.\n"
    assert [row["labels"] for row in rows] == [[], ["stable"]]
    assert re.search(r"tiny@2 .* stable\s*│\n", table)
    assert removed == {"name": "tiny", "labels": {}}


def test_a_label_is_put_shown_and_removed_in_a_service(root, service):
    at = ("--url", service.url)

    put = printed("label", "tiny", "stable", "1", *at)
    rows = json.loads(printed("list", "tiny", *at, "--json"))
    removed = printed("label", "tiny", "stable", "--remove", *at)

    assert put == "tiny has the label stable at 1, now.\n"
    assert [row["labels"] for row in rows] == [["stable"], []]
    assert removed == "tiny has no label stable, now.\n"


def test_a_version_that_does_not_score_as_published_stays_inactive(root):
    first, second = (root / "tiny" / version for version in "12")
    manifest = json.loads((second / "manifest.json").read_bytes())
    weights = (first / "weights.safetensors").read_bytes()
    (second / "weights.safetensors").write_bytes(weights)
    other = json.loads((first / "manifest.json").read_bytes())["files"]["weights.safetensors"]
    manifest["files"]["weights.safetensors"] = other
    (second / "manifest.json").write_text(json.dumps(manifest))

    assert "tiny@2: golden request 0" in refused("activate", "tiny@2", "--store", str(root))
    assert ModelStore(root).active_versions() == {"tiny": "1"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("list", "nobody"), "has no model 'nobody'"),
        (("activate", "tiny@7"), "tiny has no version 7"),
        (("rollback", "tiny"), "no version of tiny was active before tiny@1: activate one by"),
        (("rollback", "nobody"), "nobody has no active version"),
        (("diff", "tiny@7"), "tiny has no version 7"),
        (("label", "tiny", "stable", "7"), "tiny has no version 7"),
        (("label", "tiny", "Stable", "1"), "'Stable' cannot be a label"),
        (("label", "tiny", "stable", "--remove"), "tiny has no label 'stable'"),
        (("label", "tiny", "stable"), "say which version of tiny stable shall be, or --remove"),
    ],
)
def test_what_a_store_cannot_do_is_said(root, arguments, reason):
    assert reason in refused(*arguments, "--store", str(root))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("list", "nobody"), "no model 'nobody' is served here"),
        (("list", "../../health/live"), "'../../health/live' cannot name a model"),
        (("activate", "tiny@7"), "the model store has no version '7' of tiny, only 1, 2"),
        (("activate", "tiny"), "which version of tiny? Say tiny@VERSION"),
        (("activate", "tiny@../2"), "'../2' cannot name a model or a version"),
        (("rollback", "tiny"), "no version of tiny was active before tiny@1"),
        (("label", "tiny", "stable", "2"), "tiny@2 is not loaded"),
        (("label", "tiny", "../stable", "1"), "'../stable' cannot be a label"),
        (("label", "tiny", "stable", "--remove"), "tiny has no label 'stable'"),
    ],
)
def test_what_a_service_cannot_do_is_said(service, arguments, reason):
    assert reason in refused(*arguments, "--url", service.url)


@pytest.mark.parametrize("key", ["another key of that length", ""])
def test_a_wrong_key_says_where_the_key_is_from(service, monkeypatch, key):
    monkeypatch.setenv("CTR_ADMIN_KEY", key)

    assert "here the key is CTR_ADMIN_KEY's value" in refused(
        "activate", "tiny@2", "--url", service.url
    )


def test_a_service_that_is_not_there_is_said_to_be_so():
    url = url_where_nothing_listens().replace("redis:", "http:")

    assert f"no service answers at {url.rstrip('/')}" in refused("list", "--url", url)


def test_versions_are_compared_by_what_differs(root):
    changes = json.loads(printed("diff", "tiny@2", "--store", str(root), "--json"))
    table = printed("diff", "tiny@2", "--store", str(root))

    assert (changes["old"], changes["new"]) == ("tiny@1", "tiny@2")
    assert changes["changes"]["features.max_behaviors"] == {"old": 10, "new": 11}
    assert "files.weights.safetensors.sha256" in changes["changes"]
    assert "architecture.hidden_size" not in changes["changes"]
    assert re.search(r"features\.max_behaviors\s*│ 10\s*│ 11\s*│ \+1\s*│", table)


def test_a_version_is_equal_to_itself(root):
    assert printed("diff", "tiny@1", "--store", str(root)) == "tiny@1 says the same as tiny@1.\n"


def test_whoever_watches_sees_every_change(service):
    command = [sys.executable, "-m", "app", "models", "watch", "tiny", "--url", service.url]
    with subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--every", "0.05", "--json"],
        cwd=ROOT,
        env=environment({}),
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        try:
            lines = map(json.loads, watching.stdout)
            seen = [next(lines) for _ in range(2)]
            printed("activate", "tiny@2", "--url", service.url)
            while seen[-1]["state"] != "ACTIVE" or seen[-1]["version"] != "2":
                seen.append(next(lines))
        finally:
            watching.kill()

    told = [(line["version"], line["state"]) for line in seen]
    assert told[:2] == [("1", "ACTIVE"), ("2", "STORED")]
    assert ("1", "READY") in told


def test_a_version_is_signed_and_then_trusted(root, tmp_path, monkeypatch):
    store = ("--store", str(root))
    public = printed("keygen", str(tmp_path / "release.pem")).strip()
    monkeypatch.setenv("CTR_TRUSTED_KEYS", public)
    unsigned = refused("activate", "tiny@2", *store)

    signed = printed("sign", "tiny@2", "--key", str(tmp_path / "release.pem"), *store)
    activated = printed("activate", "tiny@2", *store)

    assert unsigned.startswith("tiny@2 is not signed")
    assert signed == "tiny@2 is signed.\n"
    assert activated.startswith("tiny@2 is active.")


def test_a_damaged_version_is_not_signed(root, tmp_path):
    printed("keygen", str(tmp_path / "release.pem"))
    with (root / "tiny" / "2" / "weights.safetensors").open("ab") as weights:
        weights.write(b"more")

    message = refused(
        "sign", "tiny@2", "--key", str(tmp_path / "release.pem"), "--store", str(root)
    )

    assert "weights.safetensors" in message
    assert not (root / "tiny" / "2" / "manifest.sig").exists()


def test_the_command_is_there_and_refuses_in_one_line():
    shown = ctr_serve("models", "list", "nobody", "--store", str(ROOT / "model_store"))

    assert shown.returncode == 2
    assert shown.stderr == f"ctr-serve: {ROOT}/model_store has no model 'nobody'\n"


def test_a_version_is_tried_looked_at_and_stopped(service):
    at = ("--url", service.url)

    started = printed("rollout", "tiny@2", "--percent", "20", *at)
    looked_at = json.loads(printed("rollout", "tiny", "--json", *at))
    stopped = printed("rollout", "tiny@2", "--percent", "0", *at)

    assert started.startswith("tiny@2 as a canary on 20 % of the users for 0 s, 0 requests")
    assert looked_at["under_way"]["version"] == "2"
    assert stopped.startswith("Nothing of tiny is rolled out.\ntiny@2 stopped at ")


def test_what_cannot_be_tried_is_said(service):
    assert "up to 50" in refused("rollout", "tiny@2", "--percent", "60", "--url", service.url)
