"""A package that takes other inputs than this code gives is refused before it gets any."""

import json
import shutil
from pathlib import Path

import pytest

from app.registry.exports.exporting import ExportOptions, export_version
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from tests.artifacts import TINY_ARCHITECTURES, publish_tiny_version
from tests.registry.exports.exported import CPU
from tests.registry.versions import edit_manifest, refusal

needs_cpp = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler"
)


@needs_cpp
@pytest.mark.slow
def test_a_package_that_takes_other_inputs_is_refused(tmp_path: Path) -> None:
    publish_tiny_version(tmp_path, architecture=TINY_ARCHITECTURES["din"])
    publish_tiny_version(tmp_path, architecture=TINY_ARCHITECTURES["din"], side_fields=())
    store = ModelStore(tmp_path)
    export_version(store, store.load("tiny", "1"), ExportOptions("aoti"))
    made, other = store.folder("tiny", "1"), store.folder("tiny", "2")
    shutil.copytree(made / "runtimes", other / "runtimes")
    exports = json.loads((made / "manifest.json").read_bytes())["exports"]
    edit_manifest(other, lambda manifest: manifest.update(exports=exports))

    assert load_version(store.load("tiny", "1"), CPU, "aoti").runtime.name == "aoti"
    assert refusal(lambda: load_version(store.load("tiny", "2"), CPU, "aoti")) == (
        "tiny@2: another version of ctr-serve made its aoti runtime, which takes other inputs: "
        "export it again"
    )
