"""The place that the options of a command name."""

from app.cli.given_store import given_store
from app.cli.models.places import Place, StoreFolder


def place_of(store: str, url: str | None) -> Place:
    """Raises StartupRefused for settings that make no sense."""
    from app.cli.models.running_service import RunningService
    from app.settings import read_settings

    if url is not None:
        return RunningService(url)
    return StoreFolder(given_store(store, read_settings()))
