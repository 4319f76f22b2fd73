"""`ctr-serve models keygen`: a key to sign versions with."""

from pathlib import Path
from typing import Annotated

import typer


def keygen(
    file: Annotated[Path, typer.Argument(help="Where the private key is written; must be new.")],
) -> None:
    """Make an Ed25519 key: the private one into FILE, the public one is printed.

    Who has the file can sign versions (ctr-serve models sign). Services that have the
    public key in CTR_TRUSTED_KEYS serve nothing that is not signed.

    Example: export CTR_TRUSTED_KEYS=$(ctr-serve models keygen release.pem)
    """
    from app.registry.signatures import generate_key

    typer.echo(generate_key(file))
