"""Which version of a model is served from the next start on, and which ones were before it.

`ACTIVE` has the version. `HISTORY` has the versions that became active, the last one first; those
behind the active one are what rollbacks go back to. Each write leaves both meaningful.
"""

from app.registry.model_store import ACTIVE, ModelStore, checked_name

HISTORY = "HISTORY"
REMEMBERED = 20


def activate(store: ModelStore, name: str, version: str) -> None:
    """Raises ArtifactRefused if there is no such version or it is not intact; OSError."""
    store.verify(name, version)
    write_active(store, name, version)


def write_active(store: ModelStore, name: str, version: str) -> None:
    """The one that was active becomes the one to go back to. Raises OSError."""
    active = store.active_version(name)
    if active == version:
        return
    if active is not None:
        known = [version, active, *_behind(_history(store, name), active)]
        store.replace_small(name, HISTORY, "".join(f"{one}\n" for one in known[:REMEMBERED]))
    store.replace_small(name, ACTIVE, f"{version}\n")


def write_rolled_back(store: ModelStore, name: str, version: str) -> None:
    """To one of `versions_before`; the next one behind it is the next to go back to."""
    store.replace_small(name, ACTIVE, f"{version}\n")


def versions_before(store: ModelStore, name: str, active: str) -> list[str]:
    """Those that were active before, the last one first, as far as they are still in the store."""
    history = _history(store, name)
    there = set(store.versions(name))
    return [one for one in _behind(history, active) if one in there and one != active]


def _history(store: ModelStore, name: str) -> list[str]:
    written = store.read_small(name, HISTORY)
    return [] if written is None else [checked_name(line) for line in written.splitlines()]


def _behind(history: list[str], active: str) -> list[str]:
    """All of it where somebody has activated a version by other means."""
    return history[history.index(active) + 1 :] if active in history else history
