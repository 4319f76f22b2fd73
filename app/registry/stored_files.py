"""Reading what others wrote: regular files alone, no larger than they may be, nothing pickled."""

import os
import stat
from pathlib import Path

from app.errors import ArtifactRefused

MAX_TEXT_BYTES = 2**16  # of ACTIVE, HISTORY and the journal of rollouts
MAX_MANIFEST_BYTES = 2**22
MAX_SIGNATURE_BYTES = 4096
MAX_PARSED_BYTES = 2**31  # of files that are read whole; tables are mapped
MAX_HEADER_BYTES = 2**24  # of safetensors: names and shapes

ZIP = b"PK\x03\x04"  # what torch.save writes, with a pickle inside
PICKLE_PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")


def check_stored(path: Path) -> os.stat_result:
    """What the file is. Raises ArtifactRefused unless it is a regular one, or OSError."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise ArtifactRefused(f"{path} is a symbolic link, which may lead anywhere: copy it")
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactRefused(f"{path} is not a regular file")
    return found


def check_folder(path: Path) -> None:
    """Raises ArtifactRefused for one that is only a link to a folder."""
    if path.is_symlink():
        raise ArtifactRefused(f"{path} is a symbolic link, which may lead anywhere: copy it")


def read_stored(path: Path, max_bytes: int) -> bytes:
    """All of a file that is not too large. Raises ArtifactRefused, or OSError."""
    check_stored(path)
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    check_length(path, content, max_bytes)
    return content


def check_length(path: Path | str, content: bytes, max_bytes: int) -> None:
    """Raises ArtifactRefused for what is too large, of which one byte more is enough."""
    if len(content) > max_bytes:
        raise ArtifactRefused(f"{path} is larger than {max_bytes:,} bytes")


def check_tensors(path: Path) -> None:
    """Before anything parses it. Raises ArtifactRefused for a pickle or an oversized header."""
    with path.open("rb") as file:
        start = file.read(8)
    if start[:4] == ZIP or (start[:1] == b"\x80" and start[1:2] in PICKLE_PROTOCOLS):
        raise ArtifactRefused(f"{path} is a pickle, which could run anything: none is ever loaded")
    header_bytes = int.from_bytes(start, "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise ArtifactRefused(
            f"{path} has a header of {header_bytes:,} bytes, more than {MAX_HEADER_BYTES:,}"
        )
