"""A model store behind a URL is copied to this machine, verified there, and written to there."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from safetensors.numpy import save

from app.errors import NotStored, StartupRefused, VersionRefused
from app.monitoring.metrics import Metrics
from app.registry.activation import activate, versions_before, write_active
from app.registry.copies import CopyPlace
from app.registry.loading import VersionLoader
from app.registry.manifest import FileEntry, Manifest
from app.registry.model_store import ANY_VERSION, Artifact, ModelStore, StoreRules
from app.registry.opening import open_model_store
from app.registry.overview import Overview
from app.registry.registry import Registry
from app.registry.remote_store import RemoteStore
from app.registry.served_models import ServedModels
from app.registry.signatures import generate_key, signature_of
from app.registry.trained_model import trained_model
from app.registry.version_states import VersionKey
from tests.artifacts import publish_tiny_versions
from tests.registry.hindered_files import Interrupted, ReadOnly, Telling, Unlisted, Unreachable
from tests.registry.registries import loader_of, states
from tests.registry.versions import refusal

URL = "memory://bucket/models"
NOWHERE = CopyPlace(None, 2**30)
WEIGHTS = "/bucket/models/tiny/2/weights.safetensors"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[fsspec.AbstractFileSystem]:
    """Where versions 1 and 2 of "tiny" are, of which 1 is active, and something else."""
    publish_tiny_versions(tmp_path / "made", 2)
    files = fsspec.filesystem("memory")
    files.put(f"{tmp_path}/made/", "/bucket/models/", recursive=True)
    files.pipe_file("/bucket/models/README.md", b"not a model")
    yield files
    files.rm("/bucket", recursive=True)


def remote(
    copies: Path | None, rules: StoreRules = ANY_VERSION, *, max_bytes: int = 2**30
) -> RemoteStore:
    return RemoteStore(URL, CopyPlace(copies, max_bytes), rules)


@pytest.fixture
def store(there: fsspec.AbstractFileSystem, tmp_path: Path) -> RemoteStore:
    return remote(tmp_path / "copies")


def test_it_has_what_the_folder_had(there, store, tmp_path):
    made = ModelStore(tmp_path / "made")

    assert store.names() == ["tiny"]
    assert store.versions("tiny") == ["1", "2"]
    assert store.active_versions() == {"tiny": "1"}
    assert store.active_version("tiny") == "1"
    assert store.load("tiny", "2").manifest == made.load("tiny", "2").manifest
    assert store.versions("nobody") == []
    assert store.active_version("nobody") is None


def loaded(store: ModelStore, version: str) -> Artifact:
    """With its weights, which most runtimes need."""
    artifact = store.load("tiny", version)
    assert artifact.weights
    return artifact


def test_what_is_there_is_not_copied_again(there, store, tmp_path):
    loaded(store, "2")
    copies = {file: file.stat().st_mtime_ns for file in store.root.rglob("*.safetensors")}

    loaded(remote(tmp_path / "copies"), "2")

    assert copies == {file: file.stat().st_mtime_ns for file in store.root.rglob("*.safetensors")}
    assert len(copies) == 4


def copied(store: RemoteStore) -> set[str]:
    return {path.name for path in store.root.rglob("*") if path.is_file()}


def export_there(there, content, *, size):
    manifest = json.loads(there.cat_file("/bucket/models/tiny/2/manifest.json"))
    manifest["exports"]["int8"] = {
        "file": "runtimes/int8.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": size,
        "created_at": "2026-01-01",
        "golden_ctr_difference": 0.001,
    }
    there.pipe_file("/bucket/models/tiny/2/manifest.json", json.dumps(manifest).encode())
    there.pipe_file("/bucket/models/tiny/2/runtimes/int8.safetensors", content)


def test_nothing_is_copied_that_the_runtime_does_not_need(there, store):
    content = save({"tables": np.zeros(3, np.int8)})
    export_there(there, content, size=len(content))

    artifact = store.load("tiny", "2")
    without = copied(store)
    artifact.path_of("runtimes/int8.safetensors", artifact.manifest.exports["int8"])
    with_export = copied(store)
    loaded(store, "2")

    assert without == {
        "golden.json",
        "item_id.safetensors",
        "category_id.safetensors",
        "device.safetensors",
    }
    assert with_export - without == {"int8.safetensors"}
    assert copied(store) - with_export == {"weights.safetensors"}


def test_exported_runtimes_count_as_well_before_anything_is_copied(there, tmp_path):
    export_there(there, b"a runtime", size=2**30)
    store = remote(tmp_path / "copies", StoreRules(max_version_bytes=2**20))

    assert "CTR_MAX_VERSION_MIB allows 1,048,576" in refusal(lambda: store.load("tiny", "2"))
    assert not list(store.root.rglob("*.safetensors"))


def test_two_processes_may_share_their_copies(there, store, tmp_path, monkeypatch):
    other = remote(tmp_path / "copies")
    monkeypatch.setattr(store, "_files", Interrupted(there, lambda: loaded(other, "2")))

    loaded(store, "2")

    assert not list(store.root.rglob(".*"))


def test_a_damaged_copy_is_replaced(there, store):
    copy = loaded(store, "2").folder / "weights.safetensors"
    content = copy.read_bytes()
    copy.write_bytes(b"\0" + content[1:])

    loaded(store, "2")

    assert copy.read_bytes() == content


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda content: content[:-1], "bytes, its manifest says", id="truncated"),
        pytest.param(lambda content: content + b"\0" * 999, "bytes, its manifest", id="longer"),
        pytest.param(lambda content: b"\0" + content[1:], "its sha256 differs", id="flipped"),
    ],
)
def test_what_is_damaged_there_is_refused(there, store, change, reason):
    content = there.cat_file(WEIGHTS)
    there.pipe_file(WEIGHTS, change(content))

    assert reason in refusal(lambda: loaded(store, "2"))
    copy = store.folder("tiny", "2") / "weights.safetensors"
    assert copy.stat().st_size <= len(content) + 1


def test_what_is_missing_there_is_refused(there, store):
    there.rm(WEIGHTS)

    assert "bucket/models: FileNotFoundError: " in refusal(lambda: loaded(store, "2"))
    assert "tiny has no version 7" in refusal(lambda: store.load("tiny", "7"))


@pytest.mark.parametrize("name", ["..", "../..", "a/b", "", "/etc"])
def test_no_name_leads_out_of_the_copies(there, store, name):
    for call in (
        lambda: store.load(name, "1"),
        lambda: store.load("tiny", name),
        lambda: store.versions(name),
        lambda: store.active_version(name),
    ):
        assert repr(name) in refusal(call)


def test_what_is_activated_is_written_there(there, store):
    activate(store, "tiny", "2")

    assert there.cat_file("/bucket/models/tiny/ACTIVE") == b"2\n"
    assert versions_before(store, "tiny", "2") == ["1"]


def test_what_was_written_there_counts_whatever_becomes_of_this_machine(there, store):
    (store.root / "tiny").write_text("in the way of copies")

    write_active(store, "tiny", "2")

    assert there.cat_file("/bucket/models/tiny/ACTIVE") == b"2\n"
    assert store.active_versions() == {"tiny": "2"}
    assert versions_before(store, "tiny", "2") == ["1"]


def test_another_machine_sees_what_was_activated(there, store, tmp_path):
    other = remote(tmp_path / "other copies")
    before = other.active_version("tiny")

    activate(store, "tiny", "2")

    assert (before, other.active_version("tiny")) == ("1", "2")
    assert versions_before(other, "tiny", "2") == ["1"]


def test_a_name_that_is_not_active_there_any_more_is_not_active_here(there, store):
    store.active_versions()

    there.rm("/bucket/models/tiny/ACTIVE")

    assert store.active_versions() == {}


@pytest.mark.anyio
async def test_a_service_swaps_and_says_so_there(there, store):
    registry = open_remote(store)

    await registry.activate("tiny", "2")
    await registry.rollback("tiny")
    await registry.activate("tiny", "2")

    assert states(registry) == {"1": "READY", "2": "ACTIVE"}
    assert there.cat_file("/bucket/models/tiny/ACTIVE") == b"2\n"
    await registry.drain()


@pytest.mark.anyio
async def test_a_swap_that_cannot_be_written_there_does_not_happen(there, store, monkeypatch):
    registry = open_remote(store)
    monkeypatch.setattr(store, "_files", ReadOnly(there))

    with pytest.raises(NotStored, match="PermissionError: read only"):
        await registry.activate("tiny", "2")

    assert registry.models.route("tiny").key == VersionKey("tiny", "1")
    assert there.cat_file("/bucket/models/tiny/ACTIVE") == b"1\n"
    await registry.drain()


@pytest.mark.anyio
async def test_what_is_not_signed_there_is_refused(there, tmp_path):
    keys = generate_key(tmp_path / "key.pem")
    for version in "1":
        manifest = there.cat_file(f"/bucket/models/tiny/{version}/manifest.json")
        signature = signature_of(manifest, tmp_path / "key.pem")
        there.pipe_file(f"/bucket/models/tiny/{version}/manifest.sig", signature)
    rules = StoreRules.of(max_version_mib=1, trusted_keys=keys)
    registry = open_remote(remote(tmp_path / "copies", rules))

    with pytest.raises(VersionRefused, match="tiny@2 is not signed"):
        await registry.activate("tiny", "2")
    await registry.drain()


def versions_copied(store: RemoteStore) -> set[str]:
    return {path.parent.name for path in store.root.rglob("weights.safetensors")}


def an_hour_passes(store: RemoteStore) -> None:
    for folder in store.root.glob("*/*"):
        used_s = folder.stat().st_mtime - 3_600
        os.utime(folder, (used_s, used_s))


def test_copies_of_versions_that_were_loaded_long_ago_make_room(there, tmp_path):
    for name in ("3", "4"):
        put_again(there, tmp_path, version=name)
    bytes_of_two = 2 * bytes_of(remote(tmp_path / "measured"), "2") + 2**10
    store = remote(tmp_path / "copies", max_bytes=bytes_of_two)

    copies = []
    for version in ("2", "3", "2", "4", "1"):
        loaded(store, version)
        copies.append(versions_copied(store))
        an_hour_passes(store)

    assert copies == [{"2"}, {"2", "3"}, {"2", "3"}, {"2", "4"}, {"1", "4"}]


def test_the_active_version_is_the_last_to_make_room(there, tmp_path):
    store = remote(tmp_path / "copies", max_bytes=2 * bytes_of(remote(tmp_path / "m"), "2") + 2**10)
    put_again(there, tmp_path, version="3")

    for version in ("1", "2", "3"):  # of which 1 is active
        loaded(store, version)

    assert versions_copied(store) == {"1", "3"}


def test_an_active_file_that_cannot_be_understood_keeps_no_version_from_its_room(there, tmp_path):
    store = remote(tmp_path / "copies", max_bytes=1)
    loaded(store, "1")
    there.pipe_file("/bucket/models/other/ACTIVE", b"../1")

    loaded(store, "2")

    assert versions_copied(store) == {"2"}


def test_a_version_that_is_larger_than_the_room_is_served_all_the_same(there, tmp_path):
    store = remote(tmp_path / "copies", max_bytes=1)

    for version in ("1", "2"):
        loaded(store, version)

    assert versions_copied(store) == {"2"}


def test_what_made_room_is_still_there_for_whoever_has_it(there, tmp_path):
    store = remote(tmp_path / "copies", max_bytes=1)
    first = loaded(store, "1")
    expected = {name: tensor.clone() for name, tensor in first.weights.items()}

    loaded(store, "2")

    assert not (first.folder / "weights.safetensors").exists()
    assert all(first.weights[name].equal(tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("file", ["item_id", "golden", "weights"])
def test_a_copy_that_makes_room_before_it_is_opened_is_refused_in_one_line(there, tmp_path, file):
    class Overtaken(RemoteStore):
        """Another process loads another version as soon as this file has been verified."""

        def verified(self, manifest: Manifest, name: str, entry: FileEntry) -> Path:
            path = super().verified(manifest, name, entry)
            if path.stem.startswith(file):
                loaded(remote(tmp_path / "copies", max_bytes=1), "1")
            return path

    store = Overtaken(URL, CopyPlace(tmp_path / "copies", 2**30))

    assert "deleted while it was read" in refusal(lambda: loaded(store, "2"))
    assert loaded(remote(tmp_path / "copies"), "2").weights


def test_a_copy_that_makes_room_before_it_is_looked_through_is_refused_in_one_line(
    there, store, tmp_path
):
    artifact = loaded(store, "2")
    loaded(remote(tmp_path / "copies", max_bytes=1), "1")

    assert "deleted while it was read" in refusal(lambda: trained_model(artifact))


def put_again(there: fsspec.AbstractFileSystem, tmp_path: Path, *, version: str) -> None:
    """Version 2 under another number."""
    folder = f"/bucket/models/tiny/{version}"
    there.put(f"{tmp_path}/made/tiny/2/", f"{folder}/", recursive=True)
    manifest = json.loads(there.cat_file(f"{folder}/manifest.json"))
    there.pipe_file(f"{folder}/manifest.json", json.dumps(manifest | {"version": version}).encode())


def bytes_of(store: RemoteStore, version: str) -> int:
    loaded(store, version)
    return sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())


def test_copies_of_a_process_are_gone_with_it(there):
    store = remote(None)
    folder = store.load("tiny", "1").folder
    existed = folder.exists()

    del store

    assert existed
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("nonsense://x", "nonsense"),
        ("memory2://me:hunter2@y/z", "memory2"),
        ("telling://me:hunter%32@/x", "telling"),
        ("hunter2@x::nonsense://y", "nonsense"),
    ],
)
def test_a_url_that_nothing_reads_refuses_to_start_in_one_line_without_its_password(url, protocol):
    fsspec.register_implementation("telling", Telling, clobber=True)

    with pytest.raises(StartupRefused, match=r"^CTR_MODEL_STORE must be a folder") as refused:
        open_model_store(url, ANY_VERSION, NOWHERE)

    assert len(str(refused.value).splitlines()) == 1
    assert protocol in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_place_that_cannot_be_reached_refuses_to_start_in_one_line():
    fsspec.register_implementation("unreachable", Unreachable, clobber=True)

    with pytest.raises(StartupRefused, match=r"TimeoutError: nobody answers$"):
        open_model_store("unreachable://models", ANY_VERSION, NOWHERE)


def test_a_place_for_copies_that_is_none_refuses_to_start_in_one_line(there, tmp_path):
    root = remote(tmp_path / "copies").root
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / root.name).write_text("in the way")

    with pytest.raises(StartupRefused, match=r"^CTR_MODEL_COPIES must .*: File exists$"):
        remote(tmp_path / "others")


@pytest.mark.anyio
async def test_while_it_cannot_be_read_what_is_in_memory_is_still_listed(there, store, monkeypatch):
    registry = open_remote(store)
    monkeypatch.setattr(store, "_files", Unlisted(there))

    listed = await Overview(registry).versions("tiny")
    with pytest.raises(NotStored, match=r"cannot be read: .*: OSError: gone"):
        await registry.activate("tiny", "2")

    assert [(one.version, one.state) for one in listed] == [("1", "ACTIVE")]
    await registry.drain()


def test_a_place_without_a_protocol_is_a_folder(tmp_path):
    assert type(open_model_store(str(tmp_path), ANY_VERSION, NOWHERE)) is ModelStore


def open_remote(store: RemoteStore) -> Registry:
    metrics = Metrics()
    loader: VersionLoader = loader_of(store, metrics)
    keys = [VersionKey(*active) for active in store.active_versions().items()]
    models = ServedModels({key.name: loader.open(loader.load(key)) for key in keys}, default="tiny")
    return Registry(models, loader, metrics, keep_previous=True)
