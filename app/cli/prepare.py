"""`ctr-serve prepare`: an interaction log or a public data set becomes samples to train on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.misplaced_options import refuse_misplaced

LOG, PUBLIC = "Of --format log", "Public data"
FORMATS_OF = {
    "user_column": ("log",),
    "item_column": ("log",),
    "category_column": ("log",),
    "time_column": ("log",),
    "metadata": ("amazon", "dien", "movielens"),
    "behavior": ("taobao",),
    "min_rating": ("movielens",),
}


def prepare(
    context: typer.Context,
    interactions: Annotated[
        Path, typer.Argument(help="TSV, CSV (.gz too) or Parquet, rows in any order.")
    ],
    out_dir: Annotated[Path, typer.Argument(help="Gets train, valid and test as .tsv.")],
    seed: Annotated[int, typer.Option(help="Of the negatives: equal seeds, equal files.")] = 7,
    max_history: Annotated[
        int, typer.Option(min=1, help="Behaviors before each target; the newest are kept.")
    ] = 50,
    max_targets: Annotated[
        int | None,
        typer.Option(min=1, help="Training targets of each user, the newest; without: all."),
    ] = None,
    source_format: Annotated[
        Literal["log", "amazon", "dien", "taobao", "movielens"],
        typer.Option("--format", help="What INTERACTIONS is; docs/public_data.md has commands."),
    ] = "log",
    metadata: Annotated[
        Path | None,
        typer.Option(
            help="The file with the items' categories (amazon, dien, movielens).",
            rich_help_panel=PUBLIC,
        ),
    ] = None,
    behavior: Annotated[
        list[str],
        typer.Option(
            metavar="[pv|buy|cart|fav]",
            help="What counts as a click, as often as needed (taobao).",
            rich_help_panel=PUBLIC,
        ),
    ] = ["pv"],  # noqa: B006 - typer copies it
    min_rating: Annotated[
        float,
        typer.Option(
            min=0, max=5, help="Stars that count as a click (movielens).", rich_help_panel=PUBLIC
        ),
    ] = 4.0,
    user_column: Annotated[
        str, typer.Option(help="Column of the user id.", rich_help_panel=LOG)
    ] = "user_id",
    item_column: Annotated[
        str, typer.Option(help="Column of the item id.", rich_help_panel=LOG)
    ] = "item_id",
    category_column: Annotated[
        str, typer.Option(help="Column of the category id.", rich_help_panel=LOG)
    ] = "cate_id",
    time_column: Annotated[
        str, typer.Option(help="Column of the unix second.", rich_help_panel=LOG)
    ] = "timestamp",
    parquet: Annotated[
        bool,
        typer.Option(
            "--parquet",
            help="Write Parquet files instead, histories as lists: smaller, and `train "
            "--chunk-rows` can read them in parts.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn what users clicked into samples for `ctr-serve train`.

    For a log of clicks without impressions. Every click but a user's first
    becomes a target (label 1) with the clicks before it as history: the last
    one is for the test, the one before it for validation, earlier ones for
    training. Beside it stands one item that the user never clicked (label 0),
    drawn as often as it is clicked in that split, so that a model cannot
    succeed by popularity alone.

    With a log of impressions write the three files yourself, tab separated,
    one row per impression. Columns: label user_id item_id cate_id timestamp
    history_items history_cates history_timestamps (the histories joined by
    commas, oldest first) and one per --field of `ctr-serve train`. Or write
    Parquet with the same columns, the histories as text or as lists.

    Example: ctr-serve prepare clicks.tsv.gz samples --time-column unix_s

    Public data is read as it is published (--format): Amazon reviews, the
    official DIEN files, Taobao's UserBehavior.csv and MovieLens.

    Example: ctr-serve prepare ratings.csv samples --format movielens --metadata movies.csv
    """
    import orjson

    from app.cli.train_extra import needs_train_extra

    with needs_train_extra():
        from app.cli.preparation import Sampling, from_log, from_public_data
        from app.training.interactions import LogColumns
        from app.training.public_data.sources import PublicData
        from app.training.sample_files import to_parquet

    refuse_misplaced(context, source_format, FORMATS_OF)
    sampling = Sampling(out_dir, seed, max_history, max_targets)
    if source_format == "log":
        columns = LogColumns(user_column, item_column, category_column, time_column)
        prepared = from_log(interactions, columns, sampling)
    else:
        data = PublicData(source_format, interactions, metadata, behavior, min_rating)
        prepared = from_public_data(data, sampling)
    if parquet:
        to_parquet(out_dir)
    if as_json:
        typer.echo(orjson.dumps({"out_dir": str(out_dir), **prepared.as_json()}))
        return
    for line in prepared.lines(out_dir):
        typer.echo(line)
    typer.echo(f"Next: ctr-serve train --samples {out_dir}")
