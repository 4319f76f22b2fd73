"""A store with one small version, for everything that is scored here."""

from pathlib import Path

import pytest

from tests.artifacts import publish_tiny_version


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scored_store")
    publish_tiny_version(root)
    return root
