"""A model store behind a URL: what is needed is copied to this machine, and verified there."""

import hashlib
import posixpath
import re
import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from app.errors import ArtifactRefused, StartupRefused, one_line
from app.registry.copies import Copies, CopyPlace, part_of
from app.registry.manifest import FileEntry, Manifest
from app.registry.model_store import (
    ACTIVE,
    ANY_VERSION,
    MANIFEST,
    Artifact,
    ModelStore,
    StoreRules,
    checked_name,
)
from app.registry.stored_files import check_length

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CHUNK_BYTES = 2**22


def is_url(store: str) -> bool:
    return "://" in store


class RemoteStore(ModelStore):
    """Whatever fsspec can reach. Small files are read there, the others from verified copies."""

    def __init__(self, url: str, place: CopyPlace, rules: StoreRules = ANY_VERSION) -> None:
        """Raises StartupRefused where the URL cannot be understood."""
        self._files, self._path = _file_system(url)
        self._shown = self._files.unstrip_protocol(self._path)
        try:
            folder = place.folder or Path(mkdtemp(prefix="ctr-serve-models-"))
            # Copies of several stores may share a folder.
            root = folder / hashlib.sha256(self._shown.encode()).hexdigest()[:16]
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartupRefused(
                f"CTR_MODEL_COPIES must be a folder that can be written to: {error.strerror}"
            ) from None
        if place.folder is None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(root, rules)
        self._copies = Copies(root, place.max_bytes)

    def names(self) -> list[str]:
        with self._asking():
            return sorted(set(self._names_at(f"*/*/{MANIFEST}", at=-3)))

    def replace_small(self, name: str, file: str, content: str) -> None:
        relative = f"{checked_name(name)}/{file}"
        try:
            self._files.pipe_file(self._at(relative), content.encode())
        except Exception as error:
            raise OSError(f"{self._place_of(relative)}: {_typed(error)}") from error

    def load(self, name: str, version: str) -> Artifact:
        with self._asking():
            self._copies.use(self.folder(name, version))
        return super().load(name, version)

    def verified(self, manifest: Manifest, file: str, entry: FileEntry) -> Path:
        try:
            return super().verified(manifest, file, entry)
        except ArtifactRefused:  # there is no copy yet, or it is damaged
            folder = self.folder(manifest.name, manifest.version)
            self._copies.make_room(entry.size, beside=folder, active=self._active_folders)
            self._copy(f"{manifest.name}/{manifest.version}/{file}", entry)
        return super().verified(manifest, file, entry)

    def _places(self) -> list[str]:
        return [*super()._places(), self._shown, self._path, self._path.lstrip("/")]

    def _version_names(self, name: str) -> list[str]:
        with self._asking():
            return self._names_at(f"{name}/*/{MANIFEST}", at=-2)

    def _active_names(self) -> list[str]:
        with self._asking():
            return self._names_at(f"*/{ACTIVE}", at=-2)

    def _active_folders(self) -> list[Path]:
        """Of models whose ACTIVE can be read: another's keeps no version from its room."""
        folders = []
        for name in self._active_names():
            with suppress(ArtifactRefused):
                version = self._active(name)
                folders += [] if version is None else [self.folder(name, version)]
        return folders

    def _names_at(self, pattern: str, *, at: int) -> list[str]:
        """A part of every path that matches, as far as it can be a name."""
        self._files.invalidate_cache()
        paths = self._files.glob(self._at(pattern))
        parts = [path.split("/")[at] for path in map(str, paths)]
        return [part for part in parts if NAME.fullmatch(part)]

    def _content(self, relative: str, max_bytes: int) -> bytes | None:
        with self._asking():
            try:
                content: bytes = self._files.cat_file(
                    self._at(relative), start=0, end=max_bytes + 1
                )
            except FileNotFoundError:
                return None
        check_length(self._place_of(relative), content, max_bytes)
        return content

    def _place_of(self, relative: str) -> str:
        return posixpath.join(self._shown, relative)

    def _copy(self, relative: str, entry: FileEntry) -> None:
        """Never over a file that a served version has mapped, but in its place."""
        with self._asking(), part_of(self.root / relative) as part:
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
        protocol, _, _ = url.partition("://")
        refusal = (
            "CTR_MODEL_STORE must be a folder, or a URL that fsspec can read, which this "
            f"{protocol}:// is not: {_typed(error)}"
        )
        raise StartupRefused(_without_secrets(refusal, url)) from error
    return found


def _without_secrets(text: str, url: str) -> str:
    """Errors quote what they were asked for, in forms of their own."""
    for user in re.findall(r"(?:^|://|::)([^/@]+)@", url):
        secret = user.partition(":")[2] or user
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return text


def _typed(error: Exception) -> str:
    """What it says alone may be no more than a name."""
    return f"{type(error).__name__}: {one_line(error)}"
