"""Nothing is loaded but what was published: every other byte is refused, in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.numpy import save
from safetensors.torch import save as save_tensors

from app.core.calibration import UNCALIBRATED, Isotonic
from app.registry.manifest import Manifest
from app.registry.model_store import ModelStore
from app.registry.publishing import publish
from tests.artifacts import publish_tiny_version
from tests.registry.versions import as_new, edit_manifest, refusal, replace_file

FILES = (
    "weights.safetensors",
    "golden.json",
    "vocabulary/item_id.safetensors",
    "vocabulary/category_id.safetensors",
    "vocabulary/device.safetensors",
)

every_file = pytest.mark.parametrize("file", FILES)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    publish_tiny_version(root)
    return root


@pytest.fixture
def store(published: Path, tmp_path: Path) -> ModelStore:
    """A copy to damage."""
    shutil.copytree(published, tmp_path / "store")
    return ModelStore(tmp_path / "store")


@pytest.fixture
def folder(store: ModelStore) -> Path:
    return store.folder("tiny", "1")


def refused_load(store: ModelStore) -> str:
    return refusal(lambda: dict(store.load("tiny", "1").weights))


@every_file
def test_all_files_can_be_verified_without_loading_them(store, folder, file):
    before = store.verify("tiny", "1")
    (folder / file).write_bytes(b"\0" + (folder / file).read_bytes()[1:])

    assert before.version == "1"
    assert f"{folder / file} is not the file" in refusal(lambda: store.verify("tiny", "1"))


def test_weights_are_left_alone_until_somebody_looks_at_them(store, folder):
    (folder / "weights.safetensors").unlink()

    weights = store.load("tiny", "1").weights

    assert f"{folder / 'weights.safetensors'}: No such file" in refusal(lambda: len(weights))


def test_the_manifest_names_every_file_and_no_other(store, folder):
    files = store.load("tiny", "1").manifest.files

    assert sorted(files) == sorted(FILES)
    assert sorted(FILES) == sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )


@every_file
def test_a_flipped_byte_is_noticed(store, folder, file):
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(content)

    message = refused_load(store)

    assert str(folder / file) in message
    assert "sha256" in message


@every_file
@pytest.mark.parametrize("more", [-1, 1], ids=["truncated", "extended"])
def test_another_length_is_noticed(store, folder, file, more):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes((content + b"\n")[: len(content) + more])

    message = refused_load(store)

    assert str(folder / file) in message
    assert f"its manifest says {len(content)}" in message


@every_file
def test_a_missing_file_is_noticed(store, folder, file):
    (folder / file).unlink()

    assert f"{folder / file}: No such file" in refused_load(store)


@every_file
def test_a_file_that_the_manifest_does_not_list_is_not_loaded(store, folder, file):
    edit_manifest(folder, lambda manifest: manifest["files"].pop(file))

    assert f"{folder / 'manifest.json'} does not list {file}" in refused_load(store)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda m: m.update(surprise=1), id="unknown key"),
        pytest.param(lambda m: m.update({"two\nlines": 1}), id="unknown key of two lines"),
        pytest.param(lambda m: m["features"].update(surprise=1), id="unknown key within"),
        pytest.param(lambda m: m["architecture"].update(surprise=1), id="unknown option"),
        pytest.param(lambda m: m["architecture"].update(name="mlp"), id="unknown architecture"),
        pytest.param(lambda m: m.update(schema_version=2), id="later schema"),
        pytest.param(lambda m: m.update(prior_ctr=float("nan")), id="NaN"),
        pytest.param(lambda m: m.update(version="2"), id="another version's"),
        pytest.param(lambda m: m.update(name="other"), id="another model's"),
        pytest.param(lambda m: m.update(golden_sha256="0" * 64), id="other golden requests"),
        pytest.param(lambda m: m.pop("torch_version"), id="missing key"),
        pytest.param(lambda m: m["files"]["golden.json"].update(sha256="0"), id="no sha256"),
        pytest.param(lambda m: m["files"]["golden.json"].update(size=-1), id="negative size"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(store, folder, edit):
    edit_manifest(folder, edit)

    assert str(folder / "manifest.json") in refused_load(store)


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"\xff\xfe", b"[]", b"{", b"[" * 100_000, b'{"name": "\n"}'],
    ids=["empty", "text", "binary", "list", "cut", "deep", "raw newline"],
)
def test_a_manifest_that_is_none_is_refused(store, folder, content):
    (folder / "manifest.json").write_bytes(content)

    assert str(folder / "manifest.json") in refused_load(store)


def test_a_manifest_from_before_calibration_serves_what_the_model_says(store, folder):
    edit_manifest(folder, lambda manifest: manifest.update(calibration=None))

    assert store.load("tiny", "1").manifest.calibration == UNCALIBRATED


def test_a_calibration_is_part_of_the_manifest(store):
    isotonic = Isotonic(negatives_kept=0.1, knots=((-2.0, -3.1), (1 / 3, 0.2)))
    new = as_new(store.load("tiny", "1"), calibration=isotonic)

    version = publish(store, new).version

    assert store.read_manifest("tiny", version).calibration == isotonic


@pytest.mark.parametrize(
    "file",
    [
        *("../secret", "../../tiny/1/golden.json", "/etc/passwd", "vocabulary/../golden.json"),
        *("a/b/c", ".hidden", "vocabulary/", "", "golden.json\n", "GOLDEN.JSON", "a\x00b"),
    ],
)
def test_a_manifest_cannot_name_a_file_outside_its_folder(store, folder, file):
    entry = {"sha256": "0" * 64, "size": 1}
    edit_manifest(folder, lambda manifest: manifest["files"].update({file: entry}))

    message = refused_load(store)

    assert message.startswith(f"{folder / 'manifest.json'}: files")
    assert "String should match pattern" in message


@given(file=st.text(max_size=12) | st.text("ab./_", max_size=8))
def test_a_file_that_a_manifest_may_name_lies_in_its_folder(published, file):
    folder = ModelStore(published).folder("tiny", "1")
    content = json.loads((folder / "manifest.json").read_bytes())
    content["files"][file] = {"sha256": "0" * 64, "size": 1}
    root = Path("/somewhere/tiny/1")

    try:
        manifest = Manifest.model_validate(content)
    except ValidationError:
        return

    assert all(root in (root / name).resolve().parents for name in manifest.files)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("weights.safetensors", b"", id="empty weights"),
        pytest.param("weights.safetensors", b"\x80\x04pickle", id="pickled weights"),
        pytest.param("golden.json", b"[]", id="golden list"),
        pytest.param("golden.json", b'{"requests": []}', id="no golden requests"),
        pytest.param("golden.json", b"{", id="golden cut"),
        pytest.param("vocabulary/device.safetensors", b"", id="empty vocabulary"),
        pytest.param(
            "vocabulary/device.safetensors",
            save({"keys": np.array([2, 1], np.uint64)}),
            id="vocabulary of keys only",
        ),
        pytest.param(
            "vocabulary/device.safetensors",
            save_tensors({"keys": torch.zeros(1, dtype=torch.bfloat16)}),
            id="vocabulary of another type",
        ),
    ],
)
def test_a_file_with_the_right_hash_and_the_wrong_content_is_refused(store, folder, file, content):
    replace_file(folder, file, content)

    assert str(folder / file) in refused_load(store)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"ctr": [None]}, id="score is null"),
        pytest.param({"behaviors": [["item-1", "category-1", -1]]}, id="before 1970"),
        pytest.param({"behaviors": [["item-1", "category-1", 2**32]]}, id="after 2106"),
        pytest.param({"candidates": {"item_id": ["item-1"]}}, id="no categories"),
        pytest.param({"candidates": {"item_id": ["a"], "category_id": []}}, id="uneven columns"),
        pytest.param({"two\nlines": 1}, id="unknown key of two lines"),
    ],
)
def test_a_golden_request_that_cannot_be_asked_is_refused(store, folder, changed):
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["requests"][0].update(changed)
    replace_file(folder, "golden.json", json.dumps(golden).encode())

    assert str(folder / "golden.json") in refused_load(store)


def test_a_copy_under_another_number_is_not_that_version(store, folder):
    shutil.copytree(folder, store.root / "tiny" / "2")

    message = refusal(lambda: store.load("tiny", "2"))

    assert "2/manifest.json is the manifest of tiny@1" in message


UNSAFE_NAMES = ("..", ".", "", "a/b", "/etc", ".hidden", "a\nb", "a\x00b", "ü", "x" * 65, "-x", " ")


@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_a_name_that_is_not_safe_as_a_folder_is_refused(store, name):
    for call in (
        lambda: store.load(name, "1"),
        lambda: store.load("tiny", name),
        lambda: store.read_manifest(name, "1"),
        lambda: store.folder("tiny", name),
        lambda: store.versions(name),
    ):
        assert repr(name) in refusal(call)


def test_an_unknown_version_is_refused_with_its_path(store):
    message = refusal(lambda: store.load("tiny", "7"))

    assert message.startswith("tiny has no version 7: there is no /")
    assert message.endswith("tiny/7/manifest.json")


def test_an_unknown_name_has_no_versions(store):
    assert store.versions("nobody") == []


def test_every_name_with_an_active_file_is_served(store):
    (store.root / "unfinished").mkdir()
    (store.root / "README.md").write_text("not a model")
    (store.root / "other").mkdir()
    (store.root / "other" / "ACTIVE").write_text("2024-05-01")

    assert store.active_versions() == {"other": "2024-05-01", "tiny": "1"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"../1", b"1\n2\n", b"1 2", b"\xff\xfe", b"\x00", b"x" * 65],
    ids=["empty", "blank", "path", "two lines", "two words", "binary", "NUL", "too long"],
)
def test_an_active_file_that_names_no_version_is_refused(store, content):
    file = store.root / "tiny" / "ACTIVE"
    file.write_bytes(content)

    assert str(file) in refusal(store.active_versions)


def test_an_active_folder_is_refused(store):
    file = store.root / "tiny" / "ACTIVE"
    file.unlink()
    file.mkdir()

    assert str(file) in refusal(store.active_versions)


def test_a_store_that_is_not_there_is_refused(tmp_path):
    missing = tmp_path / "missing"

    assert str(missing) in refusal(ModelStore(missing).active_versions)


def test_an_empty_store_serves_nothing(tmp_path):
    assert ModelStore(tmp_path).active_versions() == {}


def test_metrics_of_older_versions_are_read(store, folder):
    older = {"auc": 0.7, "gauc": 0.6, "logloss": 0.5, "pcoc": 1.0, "rows": 9}
    edit_manifest(folder, lambda manifest: manifest["metrics"].update(test=older))

    metrics = store.load("tiny", "1").manifest.metrics["test"]

    assert (metrics.auc, metrics.ece, metrics.normalized_entropy) == (0.7, None, None)
