"""`ctr-serve models rollback`: back to the version that was active before."""

from typing import Annotated

import typer

from app.cli.models.options import DEFAULT_STORE, AsJson, Store, Url


def rollback(
    name: Annotated[str, typer.Argument(help="The model whose active version is taken back.")],
    store: Store = DEFAULT_STORE,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Go back to the version that was active before.

    Again: to the one before that, and never forth. A service that has kept the version before in
    memory (CTR_KEEP_PREVIOUS_VERSION) swaps within milliseconds.

    Example: CTR_ADMIN_KEY=... ctr-serve models rollback dien --url http://127.0.0.1:8000
    """
    from app.cli.models.change import report, waiting
    from app.cli.models.place import place_of

    with waiting(f"Taking {name} back"):
        row = place_of(store, url).rollback(name)
    report(row, at_once=url is not None, as_json=as_json)
