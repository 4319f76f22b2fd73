"""`ctr-serve models label`: a name that points to a version, such as `stable`."""

from typing import Annotated

import typer

from app.cli.models.options import DEFAULT_STORE, AsJson, Store, Url


def label(
    name: Annotated[str, typer.Argument(help="The model.")],
    label: Annotated[str, typer.Argument(help="Such as stable.")],
    version: Annotated[str | None, typer.Argument(help="What it shall point to.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the label away.")] = False,
    store: Store = DEFAULT_STORE,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Point a label to a version, or take it away.

    Requests that ask for NAME@LABEL are answered by that version, which stays in memory while it
    has a label. In a store this counts from the next start of a service on; a service refuses a
    version that it has not loaded.

    Examples: ctr-serve models label dien stable 3; ctr-serve models label dien stable --remove
    """
    import orjson

    from app.cli.models.place import place_of
    from app.errors import StartupRefused

    if remove == (version is not None):
        raise StartupRefused(f"say which version of {name} {label} shall be, or --remove")
    labels = place_of(store, url).label(name, label, version)
    if as_json:
        typer.echo(orjson.dumps({"name": name, "labels": labels}))
        return
    what = f"has no label {label}" if version is None else f"has the label {label} at {version}"
    when = "now" if url is not None else "from the next start of a service on"
    typer.echo(f"{name} {what}, {when}.")
