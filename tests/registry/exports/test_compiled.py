"""TorchScript and AOTInductor exports of a version: exact, of any model, and of one torch."""

import shutil

import pytest
import torch

from app.errors import StartupRefused
from app.models.dsin.config import DsinConfig
from app.models.ensemble.config import EnsembleConfig, EnsembleMember
from app.registry.exports.exporting import ExportOptions, export_version
from app.registry.exports.loading import load_runtime
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from tests.artifacts import SMALL, TINY_ARCHITECTURES
from tests.registry.exports.exported import CPU, ctrs, publish_with_held_out
from tests.registry.versions import edit_manifest, refusal

needs_cpp = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler"
)

ARCHITECTURES = {
    **TINY_ARCHITECTURES,
    "ensemble": EnsembleConfig(
        members=tuple(
            EnsembleMember(weight=0.5, architecture=TINY_ARCHITECTURES[name])
            for name in ("dien", "dsin")
        )
    ),
}


def export(root, runtime):
    store = ModelStore(root)
    return export_version(store, store.load("tiny", "2"), ExportOptions(runtime))


def serve(root, runtime):
    return load_version(ModelStore(root).load("tiny", "2"), CPU, runtime)


def assert_exported_and_served_exactly(root, runtime):
    made = export(root, runtime)

    assert made.torch_version == torch.__version__
    assert made.golden_ctr_difference < 1e-5
    assert made.held_out.max_ctr_difference < 1e-5
    assert abs(made.held_out.auc_change) < 1e-5
    version = serve(root, runtime)
    assert version.runtime.name == runtime
    assert abs(ctrs(version) - ctrs(serve(root, "reference"))).max() < 1e-5


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_archive_serves_the_models_own_ctrs(name, tmp_path):
    publish_with_held_out(tmp_path, architecture=ARCHITECTURES[name])

    assert_exported_and_served_exactly(tmp_path, "torchscript")


@needs_cpp
@pytest.mark.slow
def test_a_package_serves_the_models_own_ctrs_of_histories_shorter_than_the_compilers_example(
    tmp_path,
):
    architecture = DsinConfig(session_heads=1, hidden_size=4, position_aware=True, **SMALL)
    publish_with_held_out(tmp_path, architecture=architecture, max_behaviors=2)

    assert_exported_and_served_exactly(tmp_path, "aoti")


def test_an_archive_of_another_torch_is_not_even_opened(tmp_path):
    publish_with_held_out(tmp_path)
    export(tmp_path, "torchscript")

    def from_another_torch(manifest):
        manifest["exports"]["torchscript"]["torch_version"] = "2.0.0"

    edit_manifest(tmp_path / "tiny" / "2", from_another_torch)

    assert refusal(lambda: serve(tmp_path, "torchscript")).startswith(
        "tiny@2: torch 2.0.0 made its torchscript runtime"
    )


def test_a_runtime_for_another_kind_of_cpu_is_refused(tmp_path):
    publish_with_held_out(tmp_path)
    export(tmp_path, "torchscript")

    def for_another_cpu(manifest):
        manifest["exports"]["torchscript"]["cpu"] = "VSX"

    edit_manifest(tmp_path / "tiny" / "2", for_another_cpu)

    assert "its torchscript runtime was made for VSX, and this CPU has" in refusal(
        lambda: serve(tmp_path, "torchscript")
    )


def test_torchscript_is_refused_on_a_gpu(tmp_path):
    publish_with_held_out(tmp_path)
    export(tmp_path, "torchscript")
    artifact = ModelStore(tmp_path).load("tiny", "2")

    with pytest.raises(StartupRefused, match=r"runs on the CPU, .* CTR_RUNTIME$"):
        load_runtime(artifact, "torchscript", torch.device("cuda:0"))
