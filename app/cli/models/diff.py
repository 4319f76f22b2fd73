"""`ctr-serve models diff`: in what two versions differ."""

from typing import Annotated, Any

import typer

from app.cli.models.options import DEFAULT_STORE, AsJson, Store

ALWAYS_DIFFERENT = ("version", "created_at", "golden_sha256")


def diff(
    version: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The new one.")],
    other: Annotated[
        str | None,
        typer.Argument(metavar="[NAME@VERSION]", help="The old one; the active one if none."),
    ] = None,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Show in what two versions of a model store differ, by their manifests.

    Architecture, features, training options, sizes and hashes of files, calibration, and metrics
    with how much they changed. What is equal is left out.

    Examples: ctr-serve models diff dien@4; ctr-serve models diff dien@4 dien@2
    """
    import orjson
    from rich.console import Console
    from rich.table import Table

    from app.cli.given_store import given_store
    from app.registry.version_reference import resolve
    from app.settings import read_settings

    models = given_store(store, read_settings())
    new = resolve(models, version)
    old = resolve(models, other or new[0])
    before, after = (flat(models.read_manifest(*one).model_dump(mode="json")) for one in (old, new))
    differing = {
        key: (before.get(key), after.get(key))
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key) and key not in ALWAYS_DIFFERENT
    }
    if as_json:
        changes = {key: {"old": pair[0], "new": pair[1]} for key, pair in differing.items()}
        typer.echo(orjson.dumps({"old": "@".join(old), "new": "@".join(new), "changes": changes}))
        return
    table = Table()
    for column in ("", "@".join(old), "@".join(new), "change"):
        table.add_column(column, overflow="fold")
    for key, (was, becomes) in differing.items():
        table.add_row(key, _text(was), _text(becomes), _change(was, becomes))
    Console().print(table if differing else f"{'@'.join(new)} says the same as {'@'.join(old)}.")


def flat(value: object, prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`; lists of values in one piece."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        items = enumerate(value)
    else:
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in items:
        found |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return found


def _text(value: object) -> str:
    if value is None:
        return "—"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _change(was: object, becomes: object) -> str:
    numbers = (int, float)
    if isinstance(was, bool) or not isinstance(was, numbers) or not isinstance(becomes, numbers):
        return ""
    return f"{becomes - was:+,.4g}"
