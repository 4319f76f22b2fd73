"""The folder that a command writes to, refused before anything is computed for it."""

from pathlib import Path

from app.errors import StartupRefused


def make_folder(out_dir: Path) -> None:
    """Raises StartupRefused where no folder can be."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(f"{out_dir} cannot be a folder: {error.strerror}") from error
