"""`ctr-serve prepare`: an interaction log becomes samples to train and test on."""

from pathlib import Path
from typing import Annotated

import typer


def prepare(
    interactions: Annotated[
        Path, typer.Argument(help="TSV, CSV (.gz too) or Parquet, rows in any order.")
    ],
    out_dir: Annotated[Path, typer.Argument(help="Gets train.tsv, valid.tsv and test.tsv.")],
    seed: Annotated[int, typer.Option(help="Of the negatives: equal seeds, equal files.")] = 7,
    max_history: Annotated[
        int, typer.Option(min=1, help="Behaviors before each target; the newest are kept.")
    ] = 50,
    user_column: Annotated[str, typer.Option(help="Column of the user id.")] = "user_id",
    item_column: Annotated[str, typer.Option(help="Column of the item id.")] = "item_id",
    category_column: Annotated[str, typer.Option(help="Column of the category id.")] = "cate_id",
    time_column: Annotated[str, typer.Option(help="Column of the unix second.")] = "timestamp",
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
    commas, oldest first) and one per --field of `ctr-serve train`.

    Example: ctr-serve prepare clicks.tsv.gz samples --time-column unix_s
    """
    import orjson

    from app.cli.progress import progress_bar
    from app.cli.train_extra import needs_train_extra

    with needs_train_extra():
        from app.training.interactions import LogColumns, read_interactions
        from app.training.next_item import count_targets, write_next_item_samples

    columns = LogColumns(user_column, item_column, category_column, time_column)
    log = read_interactions(interactions, columns)
    with progress_bar("Writing samples", count_targets(log)) as advance:
        rows = write_next_item_samples(
            log, out_dir, seed=seed, max_history=max_history, on_targets=advance
        )
    if as_json:
        typer.echo(orjson.dumps({"out_dir": str(out_dir), "rows": rows}))
        return
    for split, count in rows.items():
        typer.echo(f"{out_dir / split}.tsv: {count:,} rows, half of them clicks")
    typer.echo(f"Next: ctr-serve train --samples {out_dir}")
