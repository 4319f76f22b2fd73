"""`ctr-serve ensemble`: several versions become one that asks them all."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import training_options as choices
from app.cli.given_options import refuse_given
from app.training.options import CalibrationOptions

CALIBRATION = CalibrationOptions()


def ensemble(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the ensemble in the store.")],
    members: Annotated[
        list[str],
        typer.Argument(metavar="NAME[@VERSION]", help="Two and more; NAME is its active one."),
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="0.5,0.5",
            help="How much each member counts, in their order; equally without.",
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Folder with valid.tsv and test.tsv, to calibrate and measure with."),
    ] = None,
    store: Annotated[
        Path, typer.Option(envvar="CTR_MODEL_STORE", help="Where members are, and it goes.")
    ] = Path("model_store"),
    activate: Annotated[
        bool, typer.Option(help="Make it the version that `ctr-serve serve` starts with.")
    ] = True,
    limit_rows: Annotated[
        int | None, typer.Option(min=1, help="First rows of each split, for a quick try.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    calibration: choices.CalibrationName = CALIBRATION.calibration,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Publish a version whose score is the mean of other versions' scores.

    Members may be of different architectures, but read the same features:
    train them on the same samples, with other seeds or other models. The
    ensemble holds copies of their weights and is served like any version, at
    the sum of their costs. Their calibrations do not carry over: with
    --samples it gets its own, and metrics.

    Example: ctr-serve ensemble both dien@3 din@1 --weights 0.6,0.4
    --samples samples
    """
    import orjson
    from rich.console import Console

    from app.cli.number_lists import parse_numbers
    from app.cli.progress import progress_bar
    from app.cli.train_extra import needs_train_extra
    from app.cli.version_table import activity, ladder_table, metrics_table, version_dict
    from app.inference.torch_process import prepare_torch

    with needs_train_extra():
        from app.training.ensembling import EnsembleOptions, combine_and_publish
        from app.training.sample_folder import SampleFolder
        from app.training.sample_split import ReadingOptions

    if samples is None:
        refuse_given(context, (choices.CALIBRATION,), "needs --samples to fit it on")
    options = EnsembleOptions(
        store=store,
        name=name,
        members=members,
        weights=parse_numbers("--weights", weights) if weights else (),
        samples=SampleFolder(samples, ReadingOptions(limit_rows)) if samples else None,
        calibration=calibration,
        activate=activate,
    )
    prepare_torch(threads=threads)
    with progress_bar("Combining", options.steps) as advance:
        manifest = combine_and_publish(options, advance)
    if as_json:
        shown = version_dict(manifest, activated=activate)
        typer.echo(orjson.dumps({**shown, "members": list(manifest.training.made_from)}))
        return
    if manifest.metrics:
        Console().print(metrics_table(manifest))
        Console().print(ladder_table(manifest))
    typer.echo(
        f"{manifest.name}@{manifest.version} asks {' and '.join(manifest.training.made_from)}. "
        + activity(activated=activate)
    )
