"""The model store on disk: which versions there are, and one whose every byte is verified."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file as map_tensors
from torch import Tensor

from app.core.schema import SparseField
from app.errors import ArtifactRefused, one_line
from app.features.vocabulary import Vocabulary
from app.registry.durable_files import sync_folder, write_synced
from app.registry.golden import GoldenRequests
from app.registry.manifest import FileEntry, Manifest, ModelName
from app.registry.priors import Priors, SmoothedRates, rates_from_bytes
from app.registry.signatures import SIGNATURE, TrustedKeys
from app.registry.stored_files import (
    MAX_MANIFEST_BYTES,
    MAX_PARSED_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_TEXT_BYTES,
    check_folder,
    check_stored,
    check_tensors,
    read_stored,
)

ACTIVE = "ACTIVE"
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
GOLDEN = "golden.json"
PRIORS = "priors.safetensors"  # older versions and imported ones have none
HELD_OUT = "held_out.safetensors"  # likewise

DELETED = "it was deleted while it was read"

Source = TypeVar("Source")
Content = TypeVar("Content")

_name = TypeAdapter[str](ModelName)


class StoredWeights(Mapping[str, Tensor]):
    """Mapped, not read, from a file that is verified when somebody first looks: not all runtimes
    need it."""

    def __init__(self, open_file: Callable[[], Mapping[str, Tensor]]) -> None:
        self._open = open_file

    @cached_property
    def _tensors(self) -> Mapping[str, Tensor]:
        return self._open()

    def __getitem__(self, name: str) -> Tensor:
        """Raises ArtifactRefused, as everything here, if the file is not what it should be."""
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A version whose files are what its manifest says they are, once somebody opens them.

    Weights and raw ids are mapped, not read: they take memory where they are looked at.
    """

    store: "ModelStore"
    manifest: Manifest
    folder: Path
    weights: Mapping[str, Tensor]
    vocabularies: Mapping[str, Vocabulary]
    golden: GoldenRequests
    priors: Priors

    def path_of(self, file: str, entry: FileEntry) -> Path:
        """A file or an export of the version, verified. Raises ArtifactRefused."""
        return self.store.verified(self.manifest, file, entry)

    @property
    def reference(self) -> str:
        """`NAME@VERSION`."""
        return f"{self.manifest.name}@{self.manifest.version}"


@dataclass(frozen=True, slots=True)
class StoreRules:
    """What a version must be to be read."""

    max_version_bytes: int
    trusted_keys: TrustedKeys | None = None  # of which one must have signed it

    @classmethod
    def of(cls, *, max_version_mib: int, trusted_keys: str | None) -> "StoreRules":
        """As the settings say them. Raises StartupRefused."""
        keys = None if trusted_keys is None else TrustedKeys.of(trusted_keys)
        return cls(max_version_mib * 2**20, keys)


ANY_VERSION = StoreRules(max_version_bytes=2**63)


class ModelStore:
    """`<root>/<name>/<version>/…` and `<root>/<name>/ACTIVE`."""

    def __init__(self, root: Path, rules: StoreRules = ANY_VERSION) -> None:
        self.root = root
        self._rules = rules

    def public_reason(self, error: Exception) -> str:
        """Why something failed, in one line that names files as they are in the store.

        Where the store is concerns whoever runs the service, and nobody who asks it.
        """
        reason = one_line(getattr(error, "strerror", None) or error)
        for place in self._places():
            beginning = rf"(?<![\w./-]){re.escape(place)}"
            reason = re.sub(rf"{beginning}/(?=\w)", "", reason)
            if "/" in place:  # otherwise it is a word like any other
                reason = re.sub(rf"{beginning}(?![\w-])", "the model store", reason)
        return reason

    def active_versions(self) -> dict[str, str]:
        """Every name that has an ACTIVE file, with the version in it. Raises ArtifactRefused."""
        self.check_root()
        active = {name: self._active(name) for name in self._active_names()}
        return {name: version for name, version in active.items() if version is not None}

    def names(self) -> list[str]:
        """Every name that has a version. Raises ArtifactRefused."""
        self.check_root()
        return sorted({path.parent.parent.name for path in self.root.glob(f"[!.]*/*/{MANIFEST}")})

    def active_version(self, name: str) -> str | None:
        """Of one name. Raises ArtifactRefused where its ACTIVE file cannot be understood."""
        self.check_root()
        return self._active(checked_name(name))

    def versions(self, name: str) -> list[str]:
        """Published versions of a name, in the order of their numbers."""
        return sorted(self._version_names(checked_name(name)), key=_number_first)

    def home(self, name: str) -> Path:
        """The folder of all versions of a name. Raises ArtifactRefused for what is no name."""
        return self.root / checked_name(name)

    def folder(self, name: str, version: str) -> Path:
        return self.home(name) / checked_name(version)

    def read_small(self, name: str, file: str) -> str | None:
        """A text beside the versions of a name; None if there is none. Raises ArtifactRefused."""
        relative = f"{checked_name(name)}/{file}"
        content = self._content(relative, MAX_TEXT_BYTES)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError as error:
            raise ArtifactRefused(f"{self._place_of(relative)}: {error}") from error

    def replace_small(self, name: str, file: str, content: str) -> None:
        """Whoever reads sees the old content or the new. Raises OSError."""
        home = self.home(name)
        staging = Path(mkdtemp(prefix=".activating-", dir=home))
        try:
            write_synced(staging / file, content.encode())
            (staging / file).replace(home / file)
            sync_folder(home)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def read_manifest(self, name: str, version: str) -> Manifest:
        """Raises ArtifactRefused if there is none or it cannot be understood."""
        relative = f"{checked_name(name)}/{checked_name(version)}/{MANIFEST}"
        path = self._place_of(relative)
        check_folder(self.folder(name, version))
        content = self._content(relative, MAX_MANIFEST_BYTES)
        if content is None:
            raise ArtifactRefused(f"{name} has no version {version}: there is no {path}")
        self._check_signature(name, version, content)
        manifest = _parse(path, content, Manifest.model_validate_json)
        if (manifest.name, manifest.version) != (name, version):
            raise ArtifactRefused(f"{path} is the manifest of {manifest.name}@{manifest.version}")
        return manifest

    def verified(self, manifest: Manifest, file: str, entry: FileEntry) -> Path:
        """Where a file of a version is, read through once. Raises ArtifactRefused."""
        path = self.folder(manifest.name, manifest.version) / file
        verify_file(path, entry)
        return path

    def verify(self, name: str, version: str) -> Manifest:
        """Every file but exports, which are verified when they are loaded. Raises
        ArtifactRefused."""
        manifest = self.read_manifest(name, version)
        for file, entry in manifest.files.items():
            self.verified(manifest, file, entry)
        return manifest

    def load(self, name: str, version: str) -> Artifact:
        """Compares files with their hashes: weights, held-out samples and exports when somebody
        opens them, all others now. Raises ArtifactRefused."""
        manifest = self.read_manifest(name, version)
        self.check_size(manifest)
        manifest_path = self._place_of(f"{name}/{version}/{MANIFEST}")
        vocabulary_files = {
            field.name: vocabulary_file(field) for field in manifest.features.sparse_fields
        }
        missing = {WEIGHTS, GOLDEN, *vocabulary_files.values()} - set(manifest.files)
        if missing:
            raise ArtifactRefused(f"{manifest_path} does not list {min(missing)}")
        if manifest.golden_sha256 != manifest.files[GOLDEN].sha256:
            raise ArtifactRefused(f"{manifest_path} has two different digests of {GOLDEN}")

        def opened(file: str, open_file: Callable[[Path], Content]) -> Content:
            path = self.verified(manifest, file, manifest.files[file])
            return _parse(path, path, open_file)

        def parsed(file: str, parse: Callable[[bytes], Content]) -> Content:
            return opened(file, lambda path: parse(read_stored(path, MAX_PARSED_BYTES)))

        def rates(content: bytes) -> Sequence[SmoothedRates]:
            return rates_from_bytes(content, manifest.features)

        return Artifact(
            self,
            manifest,
            self.folder(name, version),
            StoredWeights(partial(opened, WEIGHTS, map_tensors)),
            {name: opened(file, Vocabulary.open) for name, file in vocabulary_files.items()},
            parsed(GOLDEN, GoldenRequests.model_validate_json),
            Priors(manifest.prior_ctr, parsed(PRIORS, rates) if PRIORS in manifest.files else ()),
        )

    def check_size(self, manifest: Manifest) -> None:
        """Raises ArtifactRefused for a version that is too large."""
        size = manifest.bytes + sum(export.size for export in manifest.exports.values())
        if size > self._rules.max_version_bytes:
            raise ArtifactRefused(
                f"{manifest.name}@{manifest.version} has {size:,} bytes, "
                f"CTR_MAX_VERSION_MIB allows {self._rules.max_version_bytes:,}"
            )

    def check_root(self) -> None:
        """Raises ArtifactRefused where there is no store at all."""
        if not self.root.is_dir():
            raise ArtifactRefused(
                f"there is no model store at {self.root}: say where one is (CTR_MODEL_STORE, or "
                "--store of a command), or publish a version there, as `ctr-serve train` does"
            )

    def _places(self) -> list[str]:
        """All that messages may call its root, the longest first."""
        return [str(self.root.absolute()), str(self.root)]

    def _version_names(self, name: str) -> list[str]:
        return [path.parent.name for path in self.home(name).glob(f"[!.]*/{MANIFEST}")]

    def _active_names(self) -> list[str]:
        return sorted(file.parent.name for file in self.root.glob(f"*/{ACTIVE}"))

    def _active(self, name: str) -> str | None:
        content = self._content(f"{name}/{ACTIVE}", MAX_TEXT_BYTES)
        if content is None:
            return None
        try:
            return checked_name(content.decode().strip())
        except (UnicodeDecodeError, ArtifactRefused) as error:
            raise ArtifactRefused(f"{self._place_of(f'{name}/{ACTIVE}')}: {error}") from None

    def _content(self, relative: str, max_bytes: int) -> bytes | None:
        """Of a small file; None if there is none. Raises ArtifactRefused."""
        path = self.root / relative
        try:
            return read_stored(path, max_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ArtifactRefused(f"{path}: {error.strerror}") from error

    def _place_of(self, relative: str) -> str:
        """For messages."""
        return str(self.root / relative)

    def _check_signature(self, name: str, version: str, manifest: bytes) -> None:
        if self._rules.trusted_keys is None:
            return
        signature = self._content(f"{name}/{version}/{SIGNATURE}", MAX_SIGNATURE_BYTES)
        self._rules.trusted_keys.check(f"{name}@{version}", manifest, signature)


def checked_name(name: str) -> str:
    """A model's or version's name that is safe as a folder. Raises ArtifactRefused."""
    try:
        return _name.validate_python(name)
    except ValidationError:
        raise ArtifactRefused(
            f"{name!r} cannot name a model or a version: letters, digits, '_', '.' and '-' only"
        ) from None


def is_name(text: str) -> bool:
    """Whether it can name a model or a version."""
    try:
        checked_name(text)
    except ArtifactRefused:
        return False
    return True


def vocabulary_file(field: SparseField) -> str:
    return f"vocabulary/{field.name}.safetensors"


def verify_file(path: Path, entry: FileEntry) -> None:
    """Reads through it, whatever its size. Raises ArtifactRefused if it is another file."""
    try:
        check_folder(path.parent)
        size = check_stored(path).st_size
        if size != entry.size:
            raise ArtifactRefused(f"{path} has {size} bytes, its manifest says {entry.size}")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != entry.sha256:
            raise ArtifactRefused(f"{path} is not the file that was published: its sha256 differs")
        if path.suffix == ".safetensors":
            check_tensors(path)
    except OSError as error:
        raise ArtifactRefused(f"{path}: {error.strerror}") from error


def _parse(path: Path | str, content: Source, parse: Callable[[Source], Content]) -> Content:
    try:
        return parse(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
    except FileNotFoundError:  # a copy that another process deleted to make room
        reason = DELETED
    except (SafetensorError, ValueError) as error:
        reason = str(error)
    raise ArtifactRefused(f"{path}: {one_line(reason)}")


def _number_first(version: str) -> tuple[int, str]:
    leading = re.match(r"\d+", version)
    return (int(leading[0]) if leading else 0, version)
