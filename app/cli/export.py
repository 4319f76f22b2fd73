"""`ctr-serve export`: another runtime of a version, measured before it is kept."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    version: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="The active version of NAME if none.")
    ],
    runtime: Annotated[
        Literal["torchscript", "aoti", "int8", "bf16"],
        typer.Option(help="What to make of it; docs/runtimes.md compares them."),
    ],
    store: Annotated[
        Path, typer.Option(envvar="CTR_MODEL_STORE", help="Where the version is.")
    ] = Path("model_store"),
    samples: Annotated[
        Path | None,
        typer.Option(help="Folder with test as .parquet or .tsv, instead of the kept samples."),
    ] = None,
    max_auc_loss: Annotated[
        float, typer.Option(min=0, help="An export that loses more is refused.")
    ] = 0.0005,
    max_ctr_difference: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="An export that moves any CTR by more is refused; 1e-5, for int8 and bf16 0.02.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Of aoti: cpu, or cuda:N for a package that GPUs run.")
    ] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make another runtime of a version, to be served with CTR_RUNTIME.

    int8 and bf16 store embedding tables in a quarter and half of their size.
    torchscript is an archive that runs without this code. aoti is compiled
    by AOTInductor for this kind of CPU or for a GPU.
    The export scores the golden requests and the held-out samples that the
    version keeps (or --samples) beside the model itself; one that loses too
    much is refused, and the version stays as it is.

    Example: ctr-serve export dien@3 --runtime int8
    """
    import orjson

    from app.cli.export_table import export_table
    from app.cli.progress import progress_bar
    from app.cli.train_extra import needs_train_extra
    from app.inference.device import resolve_device
    from app.inference.torch_process import prepare_torch
    from app.registry.exports.exporting import Bounds, ExportOptions, export_version
    from app.registry.exports.held_out import held_out_of
    from app.registry.model_store import ModelStore
    from app.registry.version_reference import resolve

    prepare_torch(threads=threads)
    model_store = ModelStore(store)
    artifact = model_store.load(*resolve(model_store, version))
    if samples is None:
        held_out = held_out_of(artifact)
    else:
        with needs_train_extra():
            from app.training.held_out import read_held_out
        held_out = read_held_out(samples, artifact)
    options = ExportOptions(
        runtime=runtime,
        device=resolve_device(device, option="--device"),
        bounds=Bounds(max_auc_loss, max_ctr_difference),
        held_out=held_out,
    )
    users = 0 if held_out is None else len(held_out.batch.lengths_U)
    with progress_bar("Measuring (users)", users) as advance:
        made = export_version(model_store, artifact, options, advance)
    if as_json:
        typer.echo(orjson.dumps(made.model_dump()))
        return
    from rich.console import Console

    Console().print(export_table(artifact.reference, made))
    if made.held_out is None:
        typer.echo("No AUC: the version keeps no samples, --samples names a folder.", err=True)
    typer.echo(f"Serve it with CTR_RUNTIME={runtime}.")
