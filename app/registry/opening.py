"""The model store that a setting names: a folder, or a URL."""

from pathlib import Path

from app.registry.copies import CopyPlace
from app.registry.model_store import ModelStore, StoreRules
from app.registry.remote_store import RemoteStore, is_url


def open_model_store(place: str, rules: StoreRules, copies: CopyPlace) -> ModelStore:
    """`copies`: of a URL's files. Raises StartupRefused."""
    if is_url(place):
        return RemoteStore(place, copies, rules)
    return ModelStore(Path(place), rules)
