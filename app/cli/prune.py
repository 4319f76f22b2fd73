"""`ctr-serve prune`: a version becomes a smaller one that is nearly as good."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import training_options as choices

PRUNING = "Pruning"


def prune(
    version: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="What to make smaller.")],
    name: Annotated[str, typer.Option(help="Name of the smaller model in the store.")],
    samples: Annotated[
        Path, typer.Option(help="Folder with the samples to fine-tune on, as `train` reads them.")
    ],
    store: Annotated[
        Path, typer.Option(envvar="CTR_MODEL_STORE", help="Where both versions are.")
    ] = Path("model_store"),
    activate: Annotated[
        bool, typer.Option(help="Make it the version that `ctr-serve serve` starts with.")
    ] = True,
    limit_rows: Annotated[
        int | None, typer.Option(min=1, help="First rows of each split, for a quick try.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    mlp: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.99,
            help="Share of the units of each hidden layer of the MLP.",
            rich_help_panel=PRUNING,
        ),
    ] = 0.5,
    attention: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.99,
            help="Share of the units of each hidden layer of mlp attention.",
            rich_help_panel=PRUNING,
        ),
    ] = 0.5,
    ids: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.99,
            help="Share of the ids that become unknown: those with the smallest embeddings.",
            rich_help_panel=PRUNING,
        ),
    ] = 0.3,
    ids_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Fields whose ids these are, as often as needed; item_id.",
            rich_help_panel=PRUNING,
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Of fine-tuning; 0 publishes what is left.",
            rich_help_panel=choices.TRAINING,
        ),
    ] = 1,
    seed: choices.Seed = 7,
    learning_rate: choices.LearningRate = 1e-3,
) -> None:
    """Publish a smaller version of a model: fewer units, fewer ids, then a little training.

    Whole units leave the MLP and mlp attention, those with the smallest
    weights, so that the smaller model is an ordinary one that needs no sparse
    kernels. Ids of which little was learned become unknown.
    Fine-tuning goes on as the larger model was trained, at a constant
    learning rate, and ends with the best epoch on valid.tsv, the pruned model
    itself included.

    To choose all options of training, prune with --epochs 0 and go on with
    `ctr-serve train --from`.

    Example: ctr-serve prune dien@3 --name dien-small --samples samples
    --mlp 0.6 --ids 0.4 --epochs 2
    """
    import orjson
    from rich.console import Console

    from app.cli.train_extra import needs_train_extra
    from app.inference.torch_process import prepare_torch

    with needs_train_extra():
        from app.cli.training_table import as_dict, show
        from app.training.progress import ProgressBars
        from app.training.pruning.pruned_model import PruningOptions
        from app.training.pruning.run import FineTuning, PruneOptions, prune_and_publish
        from app.training.sample_folder import SampleFolder
        from app.training.sample_split import ReadingOptions

    options = PruneOptions(
        store=store,
        version=version,
        name=name,
        samples=SampleFolder(samples, ReadingOptions(limit_rows)),
        pruning=PruningOptions(
            mlp=mlp, attention=attention, ids=ids, ids_of=tuple(ids_of or ("item_id",))
        ),
        fine_tuning=FineTuning(epochs=epochs, learning_rate=learning_rate, seed=seed),
        activate=activate,
    )
    prepare_torch(threads=threads)
    with ProgressBars(Console(stderr=True)) as bars:
        pruned = prune_and_publish(options, bars)
    larger, smaller = pruned.larger.artifact.manifest, pruned.run.manifest
    if as_json:
        sizes = {"bytes": smaller.bytes, "larger_bytes": larger.bytes}
        typer.echo(orjson.dumps({**as_dict(pruned.run), **sizes}))
        return
    show(pruned.run, Console())
    typer.echo(
        f"{smaller.bytes:,} bytes, {smaller.bytes / larger.bytes:.0%} of "
        f"{pruned.larger.artifact.reference}'s."
    )
