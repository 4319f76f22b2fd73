"""A model store behind a URL: what is needed is copied to this machine, and verified there."""

import hashlib
import os
import posixpath
import re
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp, mkstemp
from typing import TYPE_CHECKING, Any

from app.errors import ArtifactRefused, StartupRefused, one_line
from app.registry.manifest import FileEntry, Manifest
from app.registry.model_store import ACTIVE, ANY_VERSION, MANIFEST, Artifact, ModelStore, StoreRules
from app.registry.signatures import SIGNATURE
from app.registry.stored_files import MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, MAX_TEXT_BYTES

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CHUNK_BYTES = 2**22


def is_url(store: str) -> bool:
    return "://" in store


class RemoteStore(ModelStore):
    """Whatever fsspec can reach. Its copies are verified like any model store."""

    def __init__(self, url: str, copies: Path | None, rules: StoreRules = ANY_VERSION) -> None:
        """`copies`: a folder to keep them in; none: one of this process alone.

        Raises StartupRefused where the URL cannot be understood.
        """
        self._files, self._path = _file_system(url)
        self._shown = self._files.unstrip_protocol(self._path)
        try:
            folder = copies or Path(mkdtemp(prefix="ctr-serve-models-"))
            # Copies of several stores may share a folder.
            root = folder / hashlib.sha256(self._shown.encode()).hexdigest()[:16]
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartupRefused(f"CTR_MODEL_COPIES: {error.strerror}") from None
        if copies is None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(root, rules)

    def active_versions(self) -> dict[str, str]:
        with self._asking():
            active = self._names_at(f"*/{ACTIVE}", at=-2)
        for name in {*active, *(file.parent.name for file in self.root.glob(f"*/{ACTIVE}"))}:
            self._copy_small(f"{name}/{ACTIVE}", MAX_TEXT_BYTES)
        return super().active_versions()

    def names(self) -> list[str]:
        with self._asking():
            return sorted(set(self._names_at(f"*/*/{MANIFEST}", at=-3)))

    def active_version(self, name: str) -> str | None:
        self._copy_small(f"{self.home(name).name}/{ACTIVE}", MAX_TEXT_BYTES)
        return super().active_version(name)

    def read_small(self, name: str, file: str) -> str | None:
        self._copy_small(f"{self.home(name).name}/{file}", MAX_TEXT_BYTES)
        return super().read_small(name, file)

    def replace_small(self, name: str, file: str, content: str) -> None:
        """First there: what is only here would be gone with this machine."""
        try:
            self._files.pipe_file(self._at(f"{name}/{file}"), content.encode())
        except Exception as error:
            raise OSError(f"{self._shown}/{name}/{file}: {_typed(error)}") from error
        super().replace_small(name, file, content)

    def read_manifest(self, name: str, version: str) -> Manifest:
        folder = f"{self.home(name).name}/{self.folder(name, version).name}"
        self._copy_small(f"{folder}/{MANIFEST}", MAX_MANIFEST_BYTES)
        self._copy_small(f"{folder}/{SIGNATURE}", MAX_SIGNATURE_BYTES)
        return super().read_manifest(name, version)

    def glance(self, name: str, version: str) -> Manifest:
        if (self.folder(name, version) / MANIFEST).exists():
            return super().read_manifest(name, version)
        return self.read_manifest(name, version)

    def load(self, name: str, version: str) -> Artifact:
        manifest = self.read_manifest(name, version)
        self.check_size(manifest)
        exports = {export.file: export for export in manifest.exports.values()}
        for file, entry in {**manifest.files, **exports}.items():
            self._copy(f"{name}/{version}/{file}", entry)
        return super().load(name, version)

    def _places(self) -> list[str]:
        return [*super()._places(), self._shown, self._path, self._path.lstrip("/")]

    def _version_names(self, name: str) -> list[str]:
        with self._asking():
            return self._names_at(f"{name}/*/{MANIFEST}", at=-2)

    def _names_at(self, pattern: str, *, at: int) -> list[str]:
        """A part of every path that matches, as far as it can be a name."""
        self._files.invalidate_cache()
        paths = self._files.glob(self._at(pattern))
        parts = [path.split("/")[at] for path in map(str, paths)]
        return [part for part in parts if NAME.fullmatch(part)]

    def _copy_small(self, relative: str, max_bytes: int) -> None:
        """As it is there now, or gone if it is not there."""
        copy = self.root / relative
        with self._asking():
            try:
                content = self._files.cat_file(self._at(relative), start=0, end=max_bytes + 1)
            except FileNotFoundError:
                copy.unlink(missing_ok=True)
                return
            with _part_of(copy) as part:
                part.write_bytes(content)

    def _copy(self, relative: str, entry: FileEntry) -> None:
        """Unless the copy is there already. Never over a file that a served version has mapped."""
        copy = self.root / relative
        if copy.is_file() and copy.stat().st_size == entry.size and _sha256(copy) == entry.sha256:
            return
        with self._asking(), _part_of(copy) as part:
            self._copy_bounded(self._at(relative), part, entry.size)

    def _copy_bounded(self, source: str, target: Path, size: int) -> None:
        """One byte too many is enough to be refused."""
        left = size + 1
        with self._files.open(source, "rb") as there, target.open("wb") as here:
            while left and (chunk := there.read(min(left, CHUNK_BYTES))):
                here.write(chunk)
                left -= len(chunk)

    def _at(self, relative: str) -> str:
        return posixpath.join(self._path, relative)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every protocol has errors of its own
            raise ArtifactRefused(f"{self._shown}: {_typed(error)}") from error


def _file_system(url: str) -> "tuple[AbstractFileSystem, str]":
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise StartupRefused(
            "CTR_MODEL_STORE is a URL, which needs the extra `remote`: pip install "
            "'ctr-serve[remote]', and what fsspec wants for its protocol, such as s3fs"
        ) from None
    found: tuple[Any, str]
    try:
        found = url_to_fs(url)
    except Exception as error:  # some protocols connect here, and each has errors of its own
        raise StartupRefused(f"CTR_MODEL_STORE={url}: {_typed(error)}") from error
    return found


@contextmanager
def _part_of(copy: Path) -> Iterator[Path]:
    """What becomes the copy once it is whole; processes that copy the same have one each."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = mkstemp(prefix=f".{copy.name}-", dir=copy.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _typed(error: Exception) -> str:
    """What it says alone may be no more than a name."""
    return f"{type(error).__name__}: {one_line(error)}"
