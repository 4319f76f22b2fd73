"""The report of an evaluation as two files: Markdown for people, JSON for programs."""

from pathlib import Path

import orjson

from app.errors import StartupRefused
from app.training.quality.evaluation import Evaluation
from app.training.quality.markdown import as_markdown


def write_reports(evaluation: Evaluation, folder: Path) -> tuple[Path, ...]:
    """`<name>@<version>.<split>.md` and `.json`. Raises StartupRefused where they cannot be."""
    identity = evaluation.identity
    stem = f"{identity.name}@{identity.version}.{identity.split}"
    contents = {
        folder / f"{stem}.md": as_markdown(evaluation).encode(),
        folder / f"{stem}.json": orjson.dumps(evaluation, option=orjson.OPT_INDENT_2) + b"\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            path.write_bytes(content)
    except OSError as error:
        raise StartupRefused(f"--out {folder}: {error.strerror}") from error
    return tuple(contents)
