"""Commands that need more than serving does say so in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import StartupRefused


@contextmanager
def needs_train_extra() -> Iterator[None]:
    """Around imports of what `ctr-serve[train]` installs. Raises StartupRefused without it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StartupRefused(
            f"this command needs {error.name}: pip install 'ctr-serve[train]'"
        ) from None
