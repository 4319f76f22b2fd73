"""`ctr-serve models activate`: a version becomes the one that answers."""

from typing import Annotated

import typer

from app.cli.models.options import DEFAULT_STORE, AsJson, Store, Url


def activate(
    version: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="What shall answer.")],
    store: Store = DEFAULT_STORE,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make this version the one that answers.

    It is verified first: every hash, and the scores of its golden requests. If it is refused, the
    version before stays active. In a store this counts from the next start on; a service swaps at
    once, and its store says so too.

    Examples: ctr-serve models activate dien@4;
    CTR_ADMIN_KEY=... ctr-serve models activate dien@4 --url http://127.0.0.1:8000
    """
    from app.cli.models.change import report, waiting
    from app.cli.models.place import place_of

    with waiting(f"Verifying {version}"):
        row = place_of(store, url).activate(version)
    report(row, at_once=url is not None, as_json=as_json)
