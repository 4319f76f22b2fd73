"""An export into the folder of its version: the manifest names it only while it is there."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StartupRefused
from app.registry.durable_files import sync_folder, write_synced
from app.registry.manifest import Export, ExportName, Manifest
from app.registry.model_store import MANIFEST, ModelStore

Exports = dict[ExportName, Export]


def add_export(
    store: ModelStore, manifest: Manifest, name: ExportName, export: Export, file: Path
) -> None:
    """Moves the file, which is synced and on the same disk, to where `export` says it is.

    Whenever this ends, what the manifest says of the version is true. Raises StartupRefused if the
    store cannot be written to.
    """
    folder = store.folder(manifest.name, manifest.version)
    target = folder / export.file
    try:
        with _locked(folder):
            # One that is there already leaves the manifest before it is replaced.
            _rewrite(store, manifest, lambda exports: exports.pop(name, None))
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
            sync_folder(target.parent)
            sync_folder(folder)
            _rewrite(store, manifest, lambda exports: exports.update({name: export}))
    except OSError as error:
        raise StartupRefused(f"{target} cannot be written: {error.strerror}") from error


def _rewrite(store: ModelStore, of: Manifest, change: Callable[[Exports], object]) -> None:
    """Whoever reads the manifest sees the old one or the new one."""
    manifest = store.read_manifest(of.name, of.version)
    exports = dict(manifest.exports)
    change(exports)
    if exports == manifest.exports:
        return
    changed = manifest.model_copy(update={"exports": exports})
    folder = store.folder(of.name, of.version)
    written = folder / f".{MANIFEST}.new"
    write_synced(written, changed.model_dump_json(indent=1).encode())
    written.replace(folder / MANIFEST)
    sync_folder(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two exports at a time must not forget each other."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
