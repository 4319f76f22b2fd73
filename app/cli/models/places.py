"""Where versions are: in a model store on disk, or in a service that runs."""

from typing import Any, Protocol

from app.errors import CtrError, StartupRefused
from app.inference.device import resolve_device
from app.registry.activation import versions_before, write_active, write_rolled_back
from app.registry.labels import Labels, labels_at, labels_of, put_label, remove_label
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from app.registry.version_reference import resolve

Row = dict[
    str, Any
]  # a version: name, version, state, labels, reason, created_at, architecture, metrics


class Place(Protocol):
    """Something that has versions, of which one of each name is active."""

    def versions(self, name: str | None) -> list[Row]:
        """Of one model, or of all. Raises StartupRefused, as everything here does."""
        ...

    def activate(self, reference: str) -> Row:
        """`NAME@VERSION`; the version, which is active now."""
        ...

    def rollback(self, name: str) -> Row: ...

    def label(self, name: str, label: str, version: str | None) -> Labels:
        """All labels of the model, once this one points to the version; None: is taken away."""
        ...


class StoreFolder:
    """A model store: what is active there is served from the next start on."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def versions(self, name: str | None) -> list[Row]:
        names = self._store.names() if name is None else [name]
        rows = [row for one in names for row in self._rows(one)]
        if name is not None and not rows:
            self._store.check_root()
            raise StartupRefused(f"{self._store.root} has no model {name!r}")
        return rows

    def activate(self, reference: str) -> Row:
        name, version = resolve(self._store, reference)
        self._verify(name, version)
        return self._written(write_active, name, version)

    def rollback(self, name: str) -> Row:
        _, active = resolve(self._store, name)
        before = versions_before(self._store, name, active)
        if not before:
            raise StartupRefused(
                f"no version of {name} was active before {name}@{active}: activate one by its "
                f"number, `ctr-serve models activate {name}@VERSION`"
            )
        self._verify(name, before[0])
        return self._written(write_rolled_back, name, before[0])

    def label(self, name: str, label: str, version: str | None) -> Labels:
        try:
            if version is None:
                return remove_label(self._store, name, label)
            self._store.read_manifest(name, version)
            return put_label(self._store, name, label, version)
        except OSError as error:
            raise StartupRefused(
                f"{self._store.root} cannot keep the labels of {name}: {error.strerror}"
            ) from None
        except CtrError as error:
            raise StartupRefused(error.detail) from None

    def _verify(self, name: str, version: str) -> None:
        """As a start would: every hash, and the golden requests."""
        load_version(self._store.load(name, version), resolve_device("cpu"))

    def _written(self, write: Any, name: str, version: str) -> Row:  # noqa: ANN401 - see above
        try:
            write(self._store, name, version)
        except OSError as error:
            raise StartupRefused(
                f"{self._store.root} cannot say that {name}@{version} is active: {error.strerror}"
            ) from None
        return self._row(name, version)

    def _rows(self, name: str) -> list[Row]:
        labels = labels_of(self._store, name)
        return [
            self._row(name, version) | {"labels": labels_at(labels, version)}
            for version in self._store.versions(name)
        ]

    def _row(self, name: str, version: str) -> Row:
        is_active = self._store.active_version(name) == version
        row: Row = {"name": name, "version": version, "state": "ACTIVE" if is_active else "STORED"}
        try:
            manifest = self._store.read_manifest(name, version)
        except StartupRefused as refused:
            return row | {"state": "REFUSED", "reason": str(refused)}
        return row | {
            "reason": None,
            "created_at": manifest.created_at,
            "architecture": manifest.architecture.name,
            "metrics": {split: one.model_dump() for split, one in manifest.metrics.items()},
        }
