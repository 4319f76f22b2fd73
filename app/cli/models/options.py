"""Options that the commands of `ctr-serve models` share."""

from typing import Annotated

import typer

Store = Annotated[
    str, typer.Option(envvar="CTR_MODEL_STORE", help="Folder or URL of the models, without --url.")
]
Url = Annotated[
    str | None,
    typer.Option(help="A running service instead, such as http://127.0.0.1:8000."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_STORE = "model_store"
