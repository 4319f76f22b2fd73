"""What an import says at its end: a table for people, a dictionary for programs."""

from typing import Any

from rich.console import Console
from rich.table import Table

from app.importers.importing import Import


def show(imported: Import, console: Console) -> None:
    manifest = imported.manifest
    table = Table(title=f"{manifest.name}@{manifest.version}: {manifest.architecture.name}")
    for column in ("feature", "in a request"):
        table.add_column(column)
    for feature, fields in imported.names.fields.items():
        table.add_row(feature, ", ".join(fields))
    console.print(table)
    console.print(
        f"{manifest.features.max_behaviors} behaviors at most. "
        + (
            "Active: start or restart `ctr-serve serve`."
            if imported.activated
            else "Not activated."
        ),
        highlight=False,
        soft_wrap=True,
    )


def as_dict(imported: Import) -> dict[str, Any]:
    manifest = imported.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "activated": imported.activated,
        "architecture": manifest.architecture.model_dump(),
        "fields": imported.names.fields,
        "max_behaviors": manifest.features.max_behaviors,
        "prior_ctr": manifest.prior_ctr,
    }
