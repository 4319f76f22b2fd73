"""`ctr-serve models sign`: a version is vouched for."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.models.options import DEFAULT_STORE, Store


def sign(
    version: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="What is vouched for.")],
    key: Annotated[Path, typer.Option(help="A private key, as `models keygen` makes it.")],
    store: Store = DEFAULT_STORE,
) -> None:
    """Sign the manifest of a version, which names and hashes all of its files.

    Every file is compared with its hash first. A signature is for the manifest as it
    is: after `ctr-serve export` the version must be signed again.

    Example: ctr-serve models sign dien@4 --key release.pem
    """
    from app.registry.durable_files import sync_folder, write_synced
    from app.registry.model_store import MANIFEST, ModelStore
    from app.registry.signatures import SIGNATURE, signature_of
    from app.registry.version_reference import resolve

    models = ModelStore(Path(store))
    name, number = resolve(models, version)
    models.verify(name, number)
    folder = models.folder(name, number)
    content = (folder / MANIFEST).read_bytes()
    write_synced(folder / SIGNATURE, signature_of(content, key))
    sync_folder(folder)
    typer.echo(f"{name}@{number} is signed.")
