"""Which version of a model is served from the next start on, and which ones were before it.

`ACTIVE` has the version. `HISTORY` has the versions that became active, the last one first; those
behind the active one are what rollbacks go back to. Each write leaves both meaningful.
"""

import shutil
from pathlib import Path
from tempfile import mkdtemp

from app.registry.durable_files import sync_folder, write_synced
from app.registry.model_store import ACTIVE, ModelStore, checked_name

HISTORY = "HISTORY"
REMEMBERED = 20


def activate(store: ModelStore, name: str, version: str) -> None:
    """Raises ArtifactRefused if there is no such version or it is not intact; OSError."""
    store.load(name, version)
    write_active(store, name, version)


def write_active(store: ModelStore, name: str, version: str) -> None:
    """The one that was active becomes the one to go back to. Raises OSError."""
    home = store.root / checked_name(name)
    active = store.active_version(name)
    if active == version:
        return
    if active is not None:
        known = [version, active, *_behind(_history(home), active)]
        _replace(home / HISTORY, "".join(f"{one}\n" for one in known[:REMEMBERED]))
    _replace(home / ACTIVE, f"{version}\n")


def write_rolled_back(store: ModelStore, name: str, version: str) -> None:
    """To one of `versions_before`; the next one behind it is the next to go back to."""
    _replace(store.root / checked_name(name) / ACTIVE, f"{version}\n")


def versions_before(store: ModelStore, name: str, active: str) -> list[str]:
    """Those that were active before, the last one first, as far as they are still in the store."""
    history = _history(store.root / checked_name(name))
    there = set(store.versions(name))
    return [one for one in _behind(history, active) if one in there and one != active]


def _history(home: Path) -> list[str]:
    file = home / HISTORY
    if not file.exists():
        return []
    return [checked_name(line) for line in file.read_text("utf-8").splitlines()]


def _behind(history: list[str], active: str) -> list[str]:
    """All of it where somebody has activated a version by other means."""
    return history[history.index(active) + 1 :] if active in history else history


def _replace(file: Path, content: str) -> None:
    """Whoever reads sees the old content or the new."""
    staging = Path(mkdtemp(prefix=".activating-", dir=file.parent))
    try:
        write_synced(staging / file.name, content.encode())
        (staging / file.name).replace(file)
        sync_folder(file.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
