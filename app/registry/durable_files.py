"""Files that are on the disk, and not only on their way to it, once they are said to be there."""

import os
from pathlib import Path


def write_synced(path: Path, content: bytes) -> None:
    """Its folder is made if there is none; `sync_folder` keeps its name."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes the names in it last: what was created, renamed or deleted."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
