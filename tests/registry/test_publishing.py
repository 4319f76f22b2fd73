"""A version is in the store whole or not at all, whoever else publishes or activates."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from app.registry.activation import activate
from app.registry.model_store import ModelStore
from app.registry.publishing import publish
from tests.artifacts import publish_tiny_version
from tests.registry.versions import as_new, refusal


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """With version 1 of "tiny", which is active."""
    publish_tiny_version(tmp_path)
    return ModelStore(tmp_path)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_published_is_loaded(store):
    published = store.load("tiny", "1")

    manifest = publish(store, as_new(published, prior_ctr=0.25))

    loaded = store.load("tiny", "2")
    assert loaded.manifest == manifest
    assert (manifest.version, manifest.prior_ctr) == ("2", 0.25)
    assert manifest.torch_version == torch.__version__
    assert loaded.weights.keys() == published.weights.keys()
    assert all(loaded.weights[name].equal(published.weights[name]) for name in loaded.weights)
    assert loaded.golden == published.golden
    assert {name: vocabulary.to_bytes() for name, vocabulary in loaded.vocabularies.items()} == {
        name: vocabulary.to_bytes() for name, vocabulary in published.vocabularies.items()
    }


def test_versions_are_numbered_one_after_the_other(store):
    new = as_new(store.load("tiny", "1"))

    published = [publish(store, new).version for _ in range(10)]

    assert published == [str(number) for number in range(2, 12)]
    assert store.versions("tiny") == [str(number) for number in range(1, 12)]


def test_every_name_has_numbers_of_its_own(store):
    manifest = publish(store, as_new(store.load("tiny", "1"), name="other"))

    assert (manifest.name, manifest.version) == ("other", "1")
    assert store.versions("tiny") == ["1"]


def test_a_number_that_was_taken_back_is_not_used_for_something_else_while_newer_ones_exist(store):
    new = as_new(store.load("tiny", "1"))
    publish(store, new)
    shutil.rmtree(store.folder("tiny", "1"))

    assert publish(store, new).version == "3"


@pytest.mark.parametrize("content", [None, "something"], ids=["empty", "with a file"])
def test_a_folder_that_is_no_version_is_left_alone(store, content):
    stray = store.root / "tiny" / "2"
    stray.mkdir()
    if content:
        (stray / "notes.txt").write_text(content)

    manifest = publish(store, as_new(store.load("tiny", "1")))

    assert manifest.version == "3"
    assert names_in(stray) == (["notes.txt"] if content else [])


def test_publishing_does_not_activate(store):
    publish(store, as_new(store.load("tiny", "1")))

    assert store.active_versions() == {"tiny": "1"}


def test_the_folder_of_a_version_can_be_read_by_the_service_of_another_user(store):
    assert store.folder("tiny", "1").stat().st_mode & 0o777 == 0o755


def test_a_failure_midway_leaves_no_version_and_no_rubbish(store):
    before = names_in(store.root / "tiny")
    files_are_written_before_this_is_noticed = as_new(store.load("tiny", "1"), prior_ctr=2.0)

    with pytest.raises(ValidationError):
        publish(store, files_are_written_before_this_is_noticed)

    assert names_in(store.root / "tiny") == before


def test_a_part_that_is_missing_is_noticed_before_anything_is_written(store):
    with pytest.raises(KeyError):
        publish(store, as_new(store.load("tiny", "1"), name="other", vocabularies={}))

    assert names_in(store.root) == ["tiny"]


def test_what_a_killed_publisher_left_is_not_a_version(store):
    shutil.copytree(store.folder("tiny", "1"), store.root / "tiny" / ".publishing-abc")

    assert store.versions("tiny") == ["1"]


def test_concurrent_publishers_each_get_a_version_of_their_own(store):
    artifact = store.load("tiny", "1")
    priors = [number / 10 for number in range(8)]

    with ThreadPoolExecutor(len(priors)) as publishers:
        published = list(
            publishers.map(lambda prior: publish(store, as_new(artifact, prior_ctr=prior)), priors)
        )

    assert sorted(int(manifest.version) for manifest in published) == list(range(2, 10))
    assert [store.load("tiny", one.version).manifest.prior_ctr for one in published] == priors
    assert len(names_in(store.root / "tiny")) == 10  # nine versions and ACTIVE


def test_activating_writes_the_version_that_is_served_from_the_next_start(store):
    publish(store, as_new(store.load("tiny", "1")))

    activate(store, "tiny", "2")

    assert store.active_versions() == {"tiny": "2"}
    assert (store.root / "tiny" / "ACTIVE").read_text() == "2\n"
    assert names_in(store.root / "tiny") == ["1", "2", "ACTIVE", "HISTORY"]


def test_a_version_that_does_not_exist_cannot_be_activated(store):
    assert "tiny has no version 7" in refusal(lambda: activate(store, "tiny", "7"))
    assert store.active_versions() == {"tiny": "1"}


def test_a_damaged_version_cannot_be_activated(store):
    publish(store, as_new(store.load("tiny", "1")))
    with (store.folder("tiny", "2") / "weights.safetensors").open("ab") as weights:
        weights.write(b"more")

    assert "weights.safetensors" in refusal(lambda: activate(store, "tiny", "2"))
    assert store.active_versions() == {"tiny": "1"}


def test_whoever_reads_while_versions_are_activated_sees_one_of_them_whole(store):
    publish(store, as_new(store.load("tiny", "1")))
    versions = ["1", "2"] * 20

    with ThreadPoolExecutor(4) as operators:
        activating = [operators.submit(activate, store, "tiny", version) for version in versions]
        seen = [store.active_versions() for _ in range(200)]

    assert [done.result() for done in activating] == [None] * len(versions)
    assert all(active in ({"tiny": "1"}, {"tiny": "2"}) for active in seen)
    assert names_in(store.root / "tiny") == ["1", "2", "ACTIVE", "HISTORY"]
