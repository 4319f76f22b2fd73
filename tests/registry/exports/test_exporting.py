"""An export is measured, kept beside its version, verified when it is loaded, or refused."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from app.core.calibration import Platt
from app.errors import StartupRefused
from app.registry.exports.exporting import Bounds, ExportOptions, export_version
from app.registry.exports.kinds import KINDS
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from tests.artifacts import TINY_ARCHITECTURES, publish_tiny_version
from tests.kernels.compiler import needs_compiler
from tests.registry.exports.exported import CPU, ctrs, draw_held_out, publish_with_held_out
from tests.registry.versions import edit_manifest, refusal

STORED = ("int8", "bf16")
# The embeddings of small versions are far from what training makes.
ROOMY = Bounds(auc_loss=0.005, ctr_difference=0.05)

each_stored = pytest.mark.parametrize("runtime", STORED)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """With `tiny@2`, which keeps held-out samples, and `tiny@1`, which keeps none."""
    publish_with_held_out(tmp_path)
    return ModelStore(tmp_path)


def export(store, runtime, version="2", bounds=ROOMY, **options):
    artifact = store.load("tiny", version)
    return export_version(store, artifact, ExportOptions(runtime, bounds=bounds, **options))


def serve(store, runtime, version="2"):
    return load_version(store.load("tiny", version), CPU, runtime)


def files_of(store, version="2"):
    folder = store.folder("tiny", version)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@each_stored
def test_an_export_is_in_the_manifest_with_what_it_was_measured_to_be(store, runtime):
    made = export(store, runtime)

    manifest = store.read_manifest("tiny", "2")
    assert manifest.exports == {runtime: made}
    assert made.file == KINDS[runtime].file
    assert made.size == (store.folder("tiny", "2") / made.file).stat().st_size
    assert 0 < made.golden_ctr_difference < 0.02
    assert made.held_out.rows > 100
    assert 0 < made.held_out.max_ctr_difference < 0.02
    assert abs(made.held_out.auc_change) < 0.005
    assert made.torch_version is None


@needs_compiler
@each_stored
def test_it_is_served_by_the_kernel_with_nearly_the_same_ctrs(store, runtime):
    export(store, runtime)

    version = serve(store, runtime)

    assert version.runtime.name == runtime
    assert version.runtime.detail.startswith("fused ")
    difference = abs(ctrs(version) - ctrs(serve(store, "reference")))
    assert 0 < difference.max() < 0.02


@each_stored
def test_what_the_kernel_lacks_is_served_by_torch_from_the_same_file(tmp_path, runtime):
    publish_with_held_out(tmp_path, architecture=TINY_ARCHITECTURES["dsin"])
    store = ModelStore(tmp_path)
    export(store, runtime)

    version = serve(store, runtime)

    assert version.runtime.detail == "reference the fused kernel has no dsin"
    assert abs(ctrs(version) - ctrs(serve(store, "reference"))).max() < 0.02


def test_calibrated_ctrs_are_what_is_compared(tmp_path):
    publish_with_held_out(tmp_path, calibration=Platt(slope=0.001, offset=0.0))
    store = ModelStore(tmp_path)

    assert export(store, "int8").golden_ctr_difference < 1e-5


def test_a_version_without_samples_is_measured_by_its_golden_requests(store):
    made = export(store, "int8", version="1")

    assert made.held_out is None
    assert made.golden_ctr_difference > 0
    assert serve(store, "int8", version="1").runtime.name == "int8"


def test_exports_stand_beside_each_other_and_are_replaced_one_by_one(store):
    first = export(store, "int8")
    other = export(store, "bf16")

    again = export(store, "int8")

    assert store.read_manifest("tiny", "2").exports == {"int8": again, "bf16": other}
    assert again.sha256 == first.sha256


def test_nothing_else_of_a_version_changes_and_nothing_is_left_over(store):
    before, files = store.read_manifest("tiny", "2"), files_of(store)

    made = export(store, "int8")

    assert store.read_manifest("tiny", "2").model_copy(update={"exports": {}}) == before
    assert files_of(store) == sorted([*files, made.file])


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        (Bounds(ctr_difference=1e-9), "tiny@2: int8 moves a CTR by .*, and 1e-09 is allowed"),
        (Bounds(auc_loss=-1.0), "tiny@2: int8 loses .* of AUC, and -1 is allowed"),
    ],
)
def test_one_that_loses_more_than_is_allowed_is_refused_and_leaves_nothing(store, bounds, reason):
    files = files_of(store)

    message = refusal(lambda: export(store, "int8", bounds=bounds))

    assert re.fullmatch(reason, message)
    assert files_of(store) == files
    assert store.read_manifest("tiny", "2").exports == {}


def test_a_refused_export_leaves_the_one_before_it_as_it_was(store):
    made = export(store, "int8")

    refusal(lambda: export(store, "int8", bounds=Bounds(ctr_difference=0.0)))

    assert store.read_manifest("tiny", "2").exports == {"int8": made}
    assert serve(store, "int8").runtime.name == "int8"


def test_a_runtime_that_was_never_exported_is_refused_with_the_command_that_makes_it(store):
    message = refusal(lambda: serve(store, "int8"))

    assert message == (
        "CTR_RUNTIME=int8, but tiny@2 has no int8 runtime: "
        "`ctr-serve export tiny@2 --runtime int8` makes it"
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "its manifest says"),
        (lambda path: path.write_bytes(b"\x01" + path.read_bytes()[1:]), "its sha256 differs"),
    ],
    ids=["missing", "truncated", "flipped"],
)
def test_a_file_that_is_not_the_one_that_was_measured_is_refused(store, damage, reason):
    made = export(store, "int8")
    path = store.folder("tiny", "2") / made.file
    damage(path)

    message = refusal(lambda: serve(store, "int8"))

    assert str(path) in message
    assert reason in message


@pytest.mark.parametrize("runtime", ["int8", "torchscript"])
def test_a_file_that_is_deleted_before_it_is_opened_is_refused(store, runtime):
    export(store, runtime)

    class Emptied(ModelStore):
        """Somebody deletes a file as soon as it has been verified."""

        def verified(self, manifest, file, entry):
            path = super().verified(manifest, file, entry)
            if file.startswith("runtimes/"):
                path.unlink()
            return path

    message = refusal(lambda: serve(Emptied(store.root), runtime))

    assert str(store.folder("tiny", "2") / KINDS[runtime].file) in message


def test_the_model_itself_is_served_whatever_became_of_its_exports(store):
    made = export(store, "int8")
    (store.folder("tiny", "2") / made.file).unlink()

    assert serve(store, "reference").runtime.name == "reference"


def test_golden_ctrs_off_by_more_than_when_it_was_made_are_refused(store):
    export(store, "int8")

    def tighten(manifest):
        manifest["exports"]["int8"]["golden_ctr_difference"] = 0.0

    edit_manifest(store.folder("tiny", "2"), tighten)

    assert "scores differ by" in refusal(lambda: serve(store, "int8"))


def test_a_runtime_of_another_torch_is_refused(store):
    export(store, "int8")

    def from_another_torch(manifest):
        manifest["exports"]["int8"]["torch_version"] = "1.0.0"

    edit_manifest(store.folder("tiny", "2"), from_another_torch)

    assert refusal(lambda: serve(store, "int8")) == (
        "tiny@2: torch 1.0.0 made its int8 runtime, and this is torch "
        f"{torch.__version__}: export it again"
    )


def test_tables_take_a_quarter_and_a_half_of_their_bytes(tmp_path):
    publish_tiny_version(tmp_path)
    store = ModelStore(tmp_path)
    tables = {"int8": 1 * 4 + 4, "bf16": 2 * 4}  # bytes of a row of four numbers
    rows = 52 + 7

    sizes = {runtime: export(store, runtime, version="1").size for runtime in STORED}

    weights = store.read_manifest("tiny", "1").files["weights.safetensors"].size
    for runtime, row_bytes in tables.items():
        saved = rows * (4 * 4 - row_bytes) + 4 * (3 * 4 - {"int8": 3 + 4, "bf16": 6}[runtime])
        assert abs(weights - saved - sizes[runtime]) < 300  # headers


def test_a_manifest_without_exports_is_read_as_before(store):
    folder = store.folder("tiny", "2")
    edit_manifest(folder, lambda manifest: manifest.pop("exports"))

    assert store.load("tiny", "2").manifest.exports == {}
    assert "exports" not in json.loads((folder / "manifest.json").read_bytes())


def test_samples_of_ones_own_can_be_measured_instead(store):
    artifact = store.load("tiny", "1")
    held_out = draw_held_out(artifact, requests=30)

    made = export(store, "int8", version="1", held_out=held_out)

    assert made.held_out.rows == len(held_out.labels_C)


def test_a_file_that_cannot_take_its_place_is_refused_and_never_named(store):
    made = export(store, "int8")
    place = store.folder("tiny", "2") / made.file
    place.unlink()
    place.mkdir()

    with pytest.raises(
        StartupRefused, match=r"int8\.safetensors cannot be written: Is a directory"
    ):
        export(store, "int8")

    assert store.read_manifest("tiny", "2").exports == {}


def test_exports_at_the_same_time_do_not_forget_each_other(store):
    with ThreadPoolExecutor(2) as threads:
        made = dict(
            zip(STORED, threads.map(lambda runtime: export(store, runtime), STORED), strict=True)
        )

    assert store.read_manifest("tiny", "2").exports == made
