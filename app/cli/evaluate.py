"""`ctr-serve evaluate`: how good a version is, how sure that is, and where it fails."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def evaluate(
    version: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="Without VERSION the active one.")
    ],
    samples: Annotated[
        Path,
        typer.Option(
            help="Folder with valid or test as .parquet or .tsv, and train if it is there."
        ),
    ],
    split: Annotated[Literal["valid", "test"], typer.Option(help="Which file to score.")] = "test",
    k: Annotated[
        str, typer.Option(metavar="K,K,…", help="Lengths of the best lists to look at.")
    ] = "1,5,10",
    bins: Annotated[
        int, typer.Option(min=1, max=1000, help="Of the ECE and the reliability table.")
    ] = 15,
    bootstrap: Annotated[
        int,
        typer.Option(min=0, max=100_000, help="Resamples of the users for intervals; 0 is none."),
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 7,
    store: Annotated[
        Path, typer.Option(envvar="CTR_MODEL_STORE", help="Where the version is.")
    ] = Path("model_store"),
    out: Annotated[
        Path | None, typer.Option(help="Folder for NAME@VERSION.SPLIT.md and .json.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score samples as serving does and report on the version.

    AUC, GAUC, logloss, normalized entropy, PCOC and ECE with confidence intervals, precision,
    recall, NDCG, diversity and coverage of the best k, a reliability table, slices by history,
    item and category, and what becomes of cold items and users. docs/evaluation.md explains them.

    Example: ctr-serve evaluate demo@1 --samples samples --out reports
    """
    import orjson
    from rich.console import Console
    from rich.markdown import Markdown

    from app.cli.number_lists import parse_counts
    from app.cli.progress import progress_bar
    from app.cli.train_extra import needs_train_extra
    from app.inference.torch_process import prepare_torch
    from app.registry.model_store import ModelStore

    with needs_train_extra():
        from app.training.offline import score_logits
        from app.training.quality.bootstrap import Bootstrap
        from app.training.quality.evaluation import EvaluationOptions
        from app.training.quality.markdown import as_markdown
        from app.training.quality.report_files import write_reports
        from app.training.quality.version_evaluation import evaluate_version, examine

    options = EvaluationOptions(parse_counts("--k", k), bins, Bootstrap(bootstrap, seed))
    prepare_torch(threads=threads)
    examined = examine(ModelStore(store), version, samples, split)
    with progress_bar("Scoring", examined.users) as advance:
        logits_C = score_logits(examined.artifact, examined.samples, advance)
    with Console(stderr=True).status("Resampling users"):
        evaluation = evaluate_version(examined, logits_C, options)
    written = write_reports(evaluation, out) if out else ()
    if as_json:
        typer.echo(orjson.dumps(evaluation))
        return
    console = Console()
    page = as_markdown(evaluation)
    if console.is_terminal:
        console.print(Markdown(page))
    else:
        typer.echo(page)
    for path in written:
        typer.echo(f"Wrote {path}", err=True)
