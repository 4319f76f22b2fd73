"""`ctr-serve import`: a checkpoint of another library becomes a model version."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def import_checkpoint(
    library: Annotated[
        Literal["deepctr-torch", "fuxictr"], typer.Argument(help="What trained the model.")
    ],
    folder: Annotated[
        Path,
        typer.Argument(help="With config.json and state_dict.safetensors or state_dict.pt."),
    ],
    name: Annotated[str, typer.Option(help="Name of the model in the store.")],
    store: Annotated[
        Path, typer.Option(envvar="CTR_MODEL_STORE", help="Where the version goes.")
    ] = Path("model_store"),
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            help="JSON {feature: {id: index}}, such as FuxiCTR's feature_vocab.json; without it "
            "ids are the decimal indices."
        ),
    ] = None,
    item: Annotated[
        str | None,
        typer.Option(
            metavar="FEATURE",
            help="What requests call item_id; item_id, else the first feature of the history.",
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(
            metavar="FEATURE",
            help="What requests call category_id; cate_id or category_id, else the second.",
        ),
    ] = None,
    activate: Annotated[
        bool, typer.Option(help="Make it the version that `ctr-serve serve` starts with.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Serve a DIN or DIEN that DeepCTR-Torch or FuxiCTR has trained.

    The version gives the library's probabilities to 1e-5. What it could not
    give is refused in a sentence that names the option or the feature.
    config.json names the model, its constructor arguments and its features
    (docs/importing.md). Requests have the item and the category of the target
    as item_id and category_id, the user as user_id, and all other features
    under their own names, in a candidate, in the context or in the profile.

    Example: ctr-serve import fuxictr checkpoint --name din
    --vocabulary checkpoint/feature_vocab.json
    """
    import orjson
    from rich.console import Console

    from app.cli.import_table import as_dict, show
    from app.importers.importing import ImportOptions, import_and_publish
    from app.inference.torch_process import prepare_torch

    prepare_torch(threads=1)
    imported = import_and_publish(
        ImportOptions(
            library=library,
            folder=folder,
            store=store,
            name=name,
            vocabulary=vocabulary,
            item=item,
            category=category,
            activate=activate,
        )
    )
    if as_json:
        typer.echo(orjson.dumps(as_dict(imported)))
    else:
        show(imported, Console())
