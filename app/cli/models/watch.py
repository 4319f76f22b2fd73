"""`ctr-serve models watch`: what becomes of versions, as it happens."""

from typing import Annotated

import typer

from app.cli.models.options import DEFAULT_STORE, AsJson, Store, Url


def watch(
    name: Annotated[str | None, typer.Argument(help="One model; all of them if none.")] = None,
    store: Store = DEFAULT_STORE,
    url: Url = None,
    every_s: Annotated[float, typer.Option("--every", min=0.01, help="Seconds between looks.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Print a line for every version, and one more whenever its state changes, until Ctrl-C.

    Example: ctr-serve models watch dien --url http://127.0.0.1:8000
    """
    import time
    from datetime import datetime

    import orjson

    from app.cli.models.place import place_of

    place = place_of(store, url)
    known: dict[str, tuple[str, str | None]] = {}
    while True:
        rows = {f"{row['name']}@{row['version']}": row for row in place.versions(name)}
        for version, row in rows.items():
            state = (row["state"], row.get("reason"))
            if known.get(version) != state:
                known[version] = state
                at = datetime.now().astimezone().isoformat(timespec="seconds")
                line = " ".join([at, version, *filter(None, state)])
                typer.echo(orjson.dumps({"at": at, **row}) if as_json else line)
        time.sleep(every_s)
