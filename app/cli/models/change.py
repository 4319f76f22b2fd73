"""What is shown while the active version changes, and afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import typer
from rich.console import Console

from app.cli.models.places import Row


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """On standard error, where somebody watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def report(row: Row, *, at_once: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(row))
        return
    when = "It answers now." if at_once else "It answers from the next start of a service on."
    typer.echo(f"{row['name']}@{row['version']} is active. {when}")
