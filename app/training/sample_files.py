"""The three files of samples: their names and columns; each appears whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from app.errors import StartupRefused

SPLITS = ("train", "valid", "test")
SAMPLE_COLUMNS = (
    "label",
    "user_id",
    "item_id",
    "cate_id",
    "timestamp",
    "history_items",
    "history_cates",
    "history_timestamps",
)


def make_folder(out_dir: Path) -> None:
    """Raises StartupRefused where no folder can be."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(f"{out_dir} cannot be a folder: {error.strerror}") from error


@contextmanager
def whole_file(out_dir: Path, split: str) -> Iterator[TextIO]:
    """Yields the file to write, which gets its name only once nothing has failed."""
    path = out_dir / f"{split}.tsv"
    aside = path.with_name(f".{path.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        yield file
    aside.replace(path)
