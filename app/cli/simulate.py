"""`ctr-serve simulate`: the demo's ad world as files, to train on and to load."""

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    out_dir: Annotated[Path, typer.Argument(help="Folder for the files.")],
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal worlds.")] = 7,
    negatives_kept: Annotated[
        float,
        typer.Option(
            min=1e-6, max=1, metavar="SHARE", help="Of the rows of train.tsv without a click."
        ),
    ] = 1.0,
) -> None:
    """Write samples and clicks of a simulated ad world whose true CTR is known.

    OUT_DIR gets train.tsv, valid.tsv and test.tsv (impressions, clicked or not, split by time; the
    column true_ctr is the truth to measure by, which no model reads) and interactions.tsv (every
    click up to the world's present, for load-behaviors).

    Example: ctr-serve simulate samples && ctr-serve train --samples samples --name world

    Logs that large are often sampled down: with --negatives-kept 0.1 here and in train, the CTRs
    are corrected for it.
    """
    from app.cli.progress import progress_bar
    from app.simulation.interactions import write_interactions
    from app.simulation.samples import Split, write_samples
    from app.simulation.simulate import simulate as simulate_world
    from app.simulation.world import WorldConfig
    from app.training.output_folder import make_folder

    make_folder(out_dir)  # a wrong one need not wait for the world
    with progress_bar("Simulating an ad world", 3) as advance:
        world = simulate_world(WorldConfig(seed=seed))
        advance(1)
        rows = write_samples(world, out_dir, Split(negatives_kept=negatives_kept))
        advance(1)
        clicks = write_interactions(world, out_dir / "interactions.tsv")
        advance(1)
    counts = ", ".join(f"{split} {count:,}" for split, count in rows.items())
    typer.echo(f"{out_dir}: {counts} rows; {clicks:,} clicks")
