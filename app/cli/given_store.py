"""The model store of a command, held to the rules that the service holds it to."""

from app.registry.copies import CopyPlace
from app.registry.model_store import ModelStore, StoreRules
from app.registry.opening import open_model_store
from app.settings import Settings


def given_store(place: str, settings: Settings) -> ModelStore:
    """A folder or a URL. Raises StartupRefused for rules that make no sense."""
    rules = StoreRules.of(
        max_version_mib=settings.max_version_mib, trusted_keys=settings.trusted_keys
    )
    copies = CopyPlace(settings.model_copies, settings.model_copies_mib * 2**20)
    return open_model_store(place, rules, copies)
