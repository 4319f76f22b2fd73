"""Every checkpoint of the libraries in one model store, and one service over all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from app.importers.importing import ImportOptions, import_and_publish
from tests.importers.library_outputs import ALL_OUTPUTS
from tests.serving import RunningService, patient, serving


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)  # before the fixture that does it for each test
    root = tmp_path_factory.mktemp("imported")
    for outputs in ALL_OUTPUTS:
        import_and_publish(ImportOptions(outputs.library, outputs.folder, root, outputs.name))
    return root


@pytest.fixture(scope="session")
def service(imported: Path, redis_server: str) -> Iterator[RunningService]:
    with serving(patient(model_store=imported), redis_server) as running:
        yield running
