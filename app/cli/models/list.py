"""`ctr-serve models list`: every version, and what has become of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.models.options import DEFAULT_STORE, AsJson, Store, Url

if TYPE_CHECKING:
    from rich.table import Table

    from app.cli.models.places import Row


def list_versions(
    name: Annotated[str | None, typer.Argument(help="One model; all of them if none.")] = None,
    store: Store = DEFAULT_STORE,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List versions with their states and how good they were when they were trained.

    In a store a version is ACTIVE (served from the next start on), STORED, or REFUSED
    when its manifest cannot be understood. A service has more states: docs/registry.md.

    Examples: ctr-serve models list; ctr-serve models list dien --url http://127.0.0.1:8000
    """
    import orjson
    from rich.console import Console

    from app.cli.models.place import place_of

    rows = place_of(store, url).versions(name)
    if as_json:
        typer.echo(orjson.dumps(rows))
        return
    Console().print(versions_table(rows))


def versions_table(rows: "list[Row]") -> "Table":
    from rich.table import Table

    table = Table()
    columns = ("version", "state", "architecture", "created", "valid AUC", "test AUC", "labels")
    for column in columns:
        table.add_column(column, justify="right" if "AUC" in column else "left")
    for row in rows:
        metrics = row.get("metrics") or {}
        table.add_row(
            f"{row['name']}@{row['version']}",
            row["state"],
            row.get("architecture") or "—",
            (row.get("created_at") or "—")[:16],  # to the minute
            *(f"{metrics[one]['auc']:.4f}" if one in metrics else "—" for one in ("valid", "test")),
            " ".join(row["labels"]),
        )
        if row.get("reason"):
            table.add_row("", "", row["reason"])
    return table
