"""The model store that a setting names: a folder, or a URL."""

from pathlib import Path

from app.registry.model_store import ModelStore, StoreRules
from app.registry.remote_store import RemoteStore, is_url


def open_model_store(place: str, rules: StoreRules, *, copies: Path | None = None) -> ModelStore:
    """`copies`: where those of a URL's files are kept. Raises StartupRefused."""
    if is_url(place):
        return RemoteStore(place, copies, rules)
    return ModelStore(Path(place), rules)
