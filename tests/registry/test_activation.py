"""What is active is on the disk, with everything that a rollback can go back to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.registry.activation import activate, versions_before, write_active, write_rolled_back
from app.registry.model_store import ModelStore
from app.registry.publishing import publish
from tests.artifacts import publish_tiny_version
from tests.registry.versions import as_new, refusal


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With versions 1 to 4 of "tiny"."""
    store = ModelStore(tmp_path_factory.mktemp("store"))
    publish_tiny_version(store.root)
    for _ in range(3):
        publish(store, as_new(store.load("tiny", "1")))
    return store


@pytest.fixture
def store(published: ModelStore) -> ModelStore:
    """Where version 1 is active, and none was before."""
    (published.root / "tiny" / "HISTORY").unlink(missing_ok=True)
    (published.root / "tiny" / "ACTIVE").write_text("1\n")
    return published


def before(store: ModelStore) -> list[str]:
    return versions_before(store, "tiny", store.active_versions()["tiny"])


def test_the_first_version_has_none_before_it(store):
    assert before(store) == []


def test_what_was_active_is_remembered_last_first(store):
    for version in ("2", "3"):
        write_active(store, "tiny", version)

    assert store.active_versions() == {"tiny": "3"}
    assert before(store) == ["2", "1"]


def test_rolling_back_goes_further_back_each_time_and_never_forth(store):
    for version in ("2", "3"):
        write_active(store, "tiny", version)

    write_rolled_back(store, "tiny", "2")
    once = before(store)
    write_rolled_back(store, "tiny", "1")

    assert once == ["1"]
    assert before(store) == []


def test_what_was_taken_back_is_not_what_the_next_rollback_goes_back_to(store):
    for version in ("2", "3"):
        write_active(store, "tiny", version)
    write_rolled_back(store, "tiny", "2")

    write_active(store, "tiny", "4")

    assert before(store) == ["2", "1"]


def test_activating_the_active_version_again_changes_nothing(store):
    write_active(store, "tiny", "2")

    write_active(store, "tiny", "2")

    assert before(store) == ["1"]


def test_a_version_that_somebody_has_deleted_is_not_gone_back_to(store, tmp_path):
    for version in ("2", "3"):
        write_active(store, "tiny", version)
    manifest = store.folder("tiny", "2") / "manifest.json"
    manifest.rename(tmp_path / "manifest.json")

    assert before(store) == ["1"]

    (tmp_path / "manifest.json").rename(manifest)


def test_where_somebody_wrote_active_by_hand_the_last_ones_known_count(store):
    write_active(store, "tiny", "2")

    (store.root / "tiny" / "ACTIVE").write_text("4\n")

    assert before(store) == ["2", "1"]


@given(versions=st.lists(st.sampled_from("1234"), max_size=40))
def test_the_history_stays_bounded_and_ends_at_what_was_active_first(published, versions):
    home = published.root / "tiny"
    (home / "HISTORY").unlink(missing_ok=True)
    (home / "ACTIVE").write_text("1\n")

    for version in versions:
        write_active(published, "tiny", version)

    lines = (home / "HISTORY").read_text().split() if (home / "HISTORY").exists() else []
    changes = [
        one for one, next_one in zip(["1", *versions], versions, strict=False) if one != next_one
    ]
    assert len(lines) <= 20
    assert published.active_versions()["tiny"] == (versions or ["1"])[-1]
    expected_last = changes[-1] if changes else None
    assert (before(published) or [None])[0] == expected_last


def test_a_version_that_is_not_intact_is_not_activated(store):
    assert "tiny has no version 7" in refusal(lambda: activate(store, "tiny", "7"))
    assert store.active_versions() == {"tiny": "1"}
    assert before(store) == []
