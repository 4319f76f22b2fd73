"""Every way to harm a version: it is refused in one line, and the one before goes on serving."""

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from app.core.deadline import Deadline, StageTimes
from app.errors import VersionRefused
from app.features.vocabulary import Vocabulary
from app.monitoring.metrics import Metrics
from app.registry.loading import MAX_REASON_CHARS
from app.registry.model_store import StoreRules
from app.registry.signatures import generate_key, signature_of
from app.registry.stored_files import MAX_HEADER_BYTES, MAX_MANIFEST_BYTES
from app.registry.version_states import VersionKey
from tests.artifacts import ITEMS, publish_tiny_version
from tests.registry.registries import open_registry, states
from tests.registry.servables import draw_requests
from tests.registry.versions import edit_manifest, replace_file

pytestmark = pytest.mark.anyio

WEIGHTS, ITEM_VOCABULARY = "weights.safetensors", "vocabulary/item_id.safetensors"
ITEM_TABLE = "embedding.tables.item_id.weight"


@dataclass(frozen=True)
class Harm:
    """What is done to the folder of a version, and what its refusal has to say."""

    do: Callable[[Path], object]
    reason: str


def flip(file: str, at: int) -> Callable[[Path], object]:
    def do(folder: Path) -> None:
        content = bytearray((folder / file).read_bytes())
        content[at] ^= 1
        (folder / file).write_bytes(content)

    return do


def truncate(file: str) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / file, (folder / file).stat().st_size // 2)


def with_table(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], object]:
    """By somebody who also knows how to hash."""

    def do(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        replace_file(folder, WEIGHTS, save(weights | {ITEM_TABLE: change(weights[ITEM_TABLE])}))

    return do


def with_file(file: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: replace_file(folder, file, content)


def linked(file: str) -> Callable[[Path], object]:
    """To a file that is the right one."""

    def do(folder: Path) -> None:
        target = (folder / file).rename(folder.parent / "elsewhere")
        (folder / file).symlink_to(target)

    return do


def link_folder(folder: Path) -> None:
    target = (folder / "vocabulary").rename(folder.parent / "elsewhere")
    (folder / "vocabulary").symlink_to(target)


def a_pipe(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


def one_not_a_number(table: torch.Tensor) -> torch.Tensor:
    table[-1, -1] = float("nan")
    return table


def huge_header() -> bytes:
    return (MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}"


def with_manifest(edit: Callable[[dict], object]) -> Callable[[Path], object]:
    return lambda folder: edit_manifest(folder, edit)


def of_another_torch_pickled() -> bytes:
    return pickle.dumps({"weight": np.zeros(3)})


HARMS = {
    "truncated weights": Harm(truncate(WEIGHTS), "bytes, its manifest says"),
    "a flipped byte of the weights": Harm(flip(WEIGHTS, -1), "its sha256 differs"),
    "a flipped byte of a vocabulary": Harm(flip(ITEM_VOCABULARY, -1), "its sha256 differs"),
    "a flipped byte of golden.json": Harm(flip("golden.json", 30), "its sha256 differs"),
    "a vocabulary of other ids": Harm(
        with_file(ITEM_VOCABULARY, Vocabulary.of([f"other {item}" for item in ITEMS]).to_bytes()),
        "golden request 0 scores differ by",
    ),
    "a vocabulary of another size": Harm(
        with_file(ITEM_VOCABULARY, Vocabulary.of(ITEMS[1:]).to_bytes()), "has 51 rows"
    ),
    "a weight that is no number": Harm(with_table(one_not_a_number), f"{ITEM_TABLE} is not finite"),
    "permuted rows": Harm(
        with_table(lambda table: table.roll(1, dims=0)), "golden request 0 scores differ by"
    ),
    "a pickle": Harm(with_file(WEIGHTS, of_another_torch_pickled()), "is a pickle"),
    "an archive of torch.save": Harm(with_file(WEIGHTS, b"PK\x03\x04rest"), "is a pickle"),
    "an oversized header": Harm(with_file(WEIGHTS, huge_header()), "has a header of"),
    "an oversized manifest": Harm(
        lambda folder: (folder / "manifest.json").write_bytes(b" " * (MAX_MANIFEST_BYTES + 1)),
        "is larger than",
    ),
    "a manifest that wants more memory than there is": Harm(
        with_manifest(lambda m: m["architecture"].update(mlp_units=[8192] * 2000)), "Missing key"
    ),
    "a path that leads out": Harm(
        with_manifest(lambda m: m["files"].update({"../1/golden.json": m["files"][WEIGHTS]})),
        "String should match pattern",
    ),
    "a linked file": Harm(linked(WEIGHTS), "is a symbolic link"),
    "a linked manifest": Harm(linked("manifest.json"), "is a symbolic link"),
    "a linked folder": Harm(link_folder, "is a symbolic link"),
    "a pipe that never ends": Harm(a_pipe, "is not a regular file"),
    "a file that the manifest does not have": Harm(
        with_manifest(lambda m: m["files"].pop(WEIGHTS)), f"does not list {WEIGHTS}"
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With versions 1 and 2 of "tiny", of which 1 is active."""
    for seed in range(2):
        publish_tiny_version(tmp_path, seed=seed)
    (tmp_path / "tiny" / "ACTIVE").write_text("1\n")
    return tmp_path


async def refusal_of_2(root: Path, rules: StoreRules | None = None) -> str:
    """Asks for version 2, which must be refused while version 1 goes on serving."""
    registry = open_registry(root, metrics=Metrics(), rules=rules)
    before = registry.models.route("tiny")
    (request,) = draw_requests(1)

    with pytest.raises(VersionRefused) as refused:
        await registry.activate("tiny", "2")

    with registry.models.route("tiny") as serving:
        scored = await serving.score(*request, Deadline.after(30), StageTimes())
    status = registry.status(VersionKey("tiny", "2"))
    assert serving is before
    assert np.isfinite(scored.scores.logits_C).all()
    assert (root / "tiny" / "ACTIVE").read_text() == "1\n"
    assert (status.state, status.reason) == ("REFUSED", refused.value.detail)
    assert len(refused.value.detail.splitlines()) == 1
    assert len(refused.value.detail) <= MAX_REASON_CHARS
    assert states(registry)["1"] == "ACTIVE"
    await registry.drain()
    return refused.value.detail


@pytest.mark.parametrize("harm", HARMS)
async def test_a_harmed_version_is_refused_and_the_one_before_goes_on(root, harm):
    HARMS[harm].do(root / "tiny" / "2")

    assert HARMS[harm].reason in await refusal_of_2(root)


async def test_a_version_that_is_too_large_is_refused_unread(root):
    manifest = json.loads((root / "tiny" / "2" / "manifest.json").read_bytes())
    total = sum(file["size"] for file in manifest["files"].values())
    other = sum(file.stat().st_size for file in (root / "tiny" / "1").rglob("*.*"))
    edit_manifest(root / "tiny" / "2", lambda m: m["files"][WEIGHTS].update(size=2**40))

    reason = await refusal_of_2(root, StoreRules(max_version_bytes=2**20))

    assert max(total, other) < 2**20
    assert "CTR_MAX_VERSION_MIB allows 1,048,576" in reason


def sign(folder: Path, key: Path) -> None:
    signature = signature_of((folder / "manifest.json").read_bytes(), key)
    (folder / "manifest.sig").write_bytes(signature)


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, StoreRules]:
    """A private key, and rules that trust it and one more."""
    file = tmp_path / "release.pem"
    keys = f"{generate_key(tmp_path / 'older.pem')}, {generate_key(file)}"
    return file, StoreRules.of(max_version_mib=1, trusted_keys=keys)


@pytest.fixture
def signed(root: Path, key: tuple[Path, StoreRules]) -> Path:
    for version in "12":
        sign(root / "tiny" / version, key[0])
    return root


async def test_a_version_that_a_trusted_key_has_signed_is_served(signed, key):
    registry = open_registry(signed, rules=key[1])

    await registry.activate("tiny", "2")

    assert states(registry)["2"] == "ACTIVE"
    await registry.drain()


async def test_an_unsigned_version_is_refused_where_signatures_are_wanted(signed, key):
    (signed / "tiny" / "2" / "manifest.sig").unlink()

    reason = await refusal_of_2(signed, key[1])

    assert reason.startswith("tiny@2 is not signed, and CTR_TRUSTED_KEYS wants it to be: ")


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(
            lambda root: (root / "tiny/2/manifest.sig").write_bytes(
                (root / "tiny/1/manifest.sig").read_bytes()
            ),
            id="that of another version",
        ),
        pytest.param(
            lambda root: (generate_key(root / "x.pem"), sign(root / "tiny/2", root / "x.pem")),
            id="of a key that nobody trusts",
        ),
        pytest.param(
            lambda root: edit_manifest(root / "tiny/2", lambda m: m.update(prior_ctr=0.2)),
            id="of the manifest before it was changed",
        ),
        pytest.param(lambda root: (root / "tiny/2/manifest.sig").write_text(""), id="empty"),
        pytest.param(lambda root: (root / "tiny/2/manifest.sig").write_text("é"), id="no base64"),
    ],
)
async def test_a_signature_that_is_not_a_trusted_one_is_refused(signed, key, forge):
    forge(signed)

    reason = await refusal_of_2(signed, key[1])

    assert "is no trusted signature of this manifest" in reason
    assert "`ctr-serve export` does, it must be signed again" in reason


async def test_a_signed_version_that_was_harmed_is_refused_all_the_same(signed, key):
    flip(WEIGHTS, -1)(signed / "tiny" / "2")

    assert "its sha256 differs" in await refusal_of_2(signed, key[1])
