"""An operator names a version exactly, or a name for what is active under it."""

import re
from pathlib import Path

import pytest

from app.registry.model_store import ModelStore
from app.registry.publishing import publish
from app.registry.version_reference import resolve
from tests.artifacts import publish_tiny_version
from tests.registry.versions import as_new, refusal


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With versions 1 and 2 of "tiny", the first of them active, and one of "idle"."""
    root: Path = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    store = ModelStore(root)
    published = store.load("tiny", "1")
    publish(store, as_new(published))
    publish(store, as_new(published, name="idle"))
    return store


def test_a_version_is_what_was_named(store: ModelStore) -> None:
    assert resolve(store, "tiny@2") == ("tiny", "2")


def test_a_name_alone_is_its_active_version(store: ModelStore) -> None:
    assert resolve(store, "tiny") == ("tiny", "1")


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("tiny@3", "tiny has no version 3"),
        ("idle", "idle has no active version .* choose one, such as idle@1"),
        ("nobody", "nobody has no active version .* it has no version at all"),
        ("nobody@1", "nobody has no version 1"),
        ("../up", "cannot name a model"),
        ("tiny@", "cannot name a model or a version"),
        ("@1", "cannot name a model"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_line(
    store: ModelStore, reference: str, reason: str
) -> None:
    message = refusal(lambda: resolve(store, reference))

    assert re.search(reason, message)
