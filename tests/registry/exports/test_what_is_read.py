"""A service reads what its runtime maps, and nothing else of a version."""

from pathlib import Path

import pytest
import torch

from app.errors import ArtifactRefused
from app.registry.exports.exporting import Bounds, ExportOptions, export_version
from app.registry.exports.loading import RuntimeName
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from tests.registry.exports.exported import publish_with_held_out

CPU = torch.device("cpu")
LENIENT = Bounds(auc_loss=1.0)
EXPORTED: tuple[RuntimeName, ...] = ("int8", "bf16", "torchscript")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exported")
    artifact = publish_with_held_out(root)
    for runtime in EXPORTED:
        export_version(ModelStore(root), artifact, ExportOptions(runtime, bounds=LENIENT))
    for file in ("weights", "held_out"):
        (artifact.folder / f"{file}.safetensors").write_bytes(b"not what was published")
    return root


@pytest.mark.parametrize("runtime", EXPORTED)
def test_an_export_that_holds_the_whole_model_serves_without_the_files_that_it_is_of(
    exported, runtime
):
    artifact = ModelStore(exported).load("tiny", "2")

    assert load_version(artifact, CPU, runtime).runtime.name == runtime


@pytest.mark.parametrize("runtime", ["auto", "reference"])
def test_whoever_maps_the_weights_verifies_them(exported, runtime):
    artifact = ModelStore(exported).load("tiny", "2")

    with pytest.raises(ArtifactRefused, match=r"weights\.safetensors has 22 bytes, its manifest"):
        load_version(artifact, CPU, runtime)
