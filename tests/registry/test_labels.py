"""Labels are kept beside the versions that they point to."""

from pathlib import Path

import pytest

from app.errors import LabelRefused, UnknownLabel
from app.registry.labels import LABELS, MAX_LABELS, labels_of, put_label, remove_label
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.registry.versions import refusal


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    store = ModelStore(tmp_path_factory.mktemp("store"))
    publish_tiny_version(store.root)
    return store


@pytest.fixture
def store(published: ModelStore) -> ModelStore:
    """Where no version of "tiny" has a label."""
    (published.root / "tiny" / LABELS).unlink(missing_ok=True)
    return published


def test_a_model_begins_without_labels(store):
    assert labels_of(store, "tiny") == {}


def test_a_label_points_to_one_version_at_a_time(store):
    put_label(store, "tiny", "stable", "1")
    put_label(store, "tiny", "canary", "2")

    moved = put_label(store, "tiny", "stable", "2")

    assert moved == labels_of(store, "tiny") == {"stable": "2", "canary": "2"}


def test_a_label_that_was_removed_is_gone(store):
    put_label(store, "tiny", "stable", "1")

    assert remove_label(store, "tiny", "stable") == labels_of(store, "tiny") == {}
    with pytest.raises(UnknownLabel, match="tiny has no label 'stable'"):
        remove_label(store, "tiny", "stable")


@pytest.mark.parametrize("label", ["", "3", "Stable", "a b", "a/b", "..", "a\n", "é", "a" * 33])
def test_what_could_be_taken_for_something_else_is_no_label(store, label):
    with pytest.raises(LabelRefused, match="cannot be a label") as refused:
        put_label(store, "tiny", label, "1")

    assert len(refused.value.detail.splitlines()) == 1


def test_the_name_of_a_version_is_no_label(store):
    beta = store.root / "tiny" / "beta"
    beta.mkdir()
    (beta / "manifest.json").write_text("{}")

    with pytest.raises(LabelRefused, match="beta is a version of tiny"):
        put_label(store, "tiny", "beta", "1")


def test_a_model_has_a_few_labels_at_most(store):
    for number in range(MAX_LABELS):
        put_label(store, "tiny", f"label-{number}", "1")

    put_label(store, "tiny", "label-0", "2")
    with pytest.raises(LabelRefused, match=f"tiny has {MAX_LABELS} labels"):
        put_label(store, "tiny", "one-more", "1")

    assert len(labels_of(store, "tiny")) == MAX_LABELS


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"stable": 3}', '{"Stable": "3"}', '{"stable": "../3"}', "\udcff"]
)
def test_a_file_that_has_no_labels_in_it_is_refused(store, content):
    path = Path(store.root / "tiny" / LABELS)
    path.write_bytes(content.encode(errors="surrogateescape"))

    assert LABELS in refusal(lambda: labels_of(store, "tiny"))
    assert LABELS in refusal(lambda: put_label(store, "tiny", "stable", "1"))
