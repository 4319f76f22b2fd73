"""A service that runs an exported runtime swaps to no version whose export it cannot run."""

from pathlib import Path
from typing import Any

import pytest
import torch

from app.errors import VersionRefused
from app.registry.exports.exporting import ExportOptions, export_version
from app.registry.model_store import ModelStore
from app.registry.version_states import VersionKey
from tests.artifacts import publish_tiny_version
from tests.registry.registries import open_registry, states
from tests.registry.servables import direct_scores, draw_requests
from tests.registry.versions import edit_manifest

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", both exported to TorchScript, of which 1 is active."""
    store = ModelStore(tmp_path)
    for seed, version in enumerate("12"):
        publish_tiny_version(tmp_path, seed=seed)
        export_version(store, store.load("tiny", version), ExportOptions("torchscript"))
    (tmp_path / "tiny" / "ACTIVE").write_text("1\n")
    return tmp_path


def as_of_another_torch(manifest: dict[str, Any]) -> None:
    """Only what the manifest says of it: every digest stays true."""
    manifest["exports"]["torchscript"]["torch_version"] = "2.0.0"


async def test_an_export_of_another_torch_is_refused_while_the_version_before_serves(root):
    registry = open_registry(root, runtime="torchscript")
    before = registry.models.route("tiny")

    edit_manifest(root / "tiny" / "2", as_of_another_torch)

    with pytest.raises(VersionRefused) as refused:
        await registry.activate("tiny", "2")

    status = registry.status(VersionKey("tiny", "2"))
    assert (status.state, status.reason) == ("REFUSED", str(refused.value))
    assert status.reason == (
        "tiny@2: torch 2.0.0 made its torchscript runtime, and this is torch "
        f"{torch.__version__}: export it again"
    )
    assert registry.models.route("tiny") is before
    assert before.version.runtime.name == "torchscript"
    assert states(registry)["1"] == "ACTIVE"
    assert ModelStore(root).active_versions() == {"tiny": "1"}
    (request,) = draw_requests(1)
    (expected,) = direct_scores(ModelStore(root).load("tiny", "1"), [request])
    (scored,) = before.version.score([request])
    assert abs(scored.logits_C - expected.logits_C).max() < 1e-5
    await registry.drain()


async def test_once_it_is_exported_again_it_takes_over(root):
    registry = open_registry(root, runtime="torchscript")
    store = ModelStore(root)

    edit_manifest(root / "tiny" / "2", as_of_another_torch)
    with pytest.raises(VersionRefused):
        await registry.activate("tiny", "2")

    export_version(store, store.load("tiny", "2"), ExportOptions("torchscript"))
    servable = await registry.activate("tiny", "2")

    assert registry.models.route("tiny") is servable
    assert servable.version.runtime.name == "torchscript"
    assert states(registry) == {"1": "READY", "2": "ACTIVE"}
    await registry.drain()
