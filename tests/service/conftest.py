"""The tiny model to start services with."""

from pathlib import Path

import pytest

from tests.artifacts import publish_tiny_version


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model_store")
    publish_tiny_version(root)
    return root
