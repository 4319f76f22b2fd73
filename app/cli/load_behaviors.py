"""`ctr-serve load-behaviors`: an interaction log becomes histories in Redis."""

from pathlib import Path
from typing import Annotated

import typer


def load_behaviors(
    file: Annotated[Path, typer.Argument(help="TSV, CSV (.gz too) or Parquet, rows in any order.")],
    hold_out: Annotated[
        int,
        typer.Option(min=0, help="Leave out each user's last events, to rank them as targets."),
    ] = 0,
    user_column: Annotated[str, typer.Option(help="Column of the user id.")] = "user_id",
    item_column: Annotated[str, typer.Option(help="Column of the item id.")] = "item_id",
    category_column: Annotated[str, typer.Option(help="Column of the category id.")] = "cate_id",
    time_column: Annotated[str, typer.Option(help="Column of the unix second.")] = "timestamp",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Load the users' behaviors into the Redis of CTR_REDIS_URL.

    The history of every user in FILE is replaced by the newest events in it
    (CTR_MAX_STORED_BEHAVIORS of them), so that loading twice changes nothing.

    Example: CTR_REDIS_URL=redis://127.0.0.1:6379/0 ctr-serve load-behaviors clicks.tsv.gz
    """
    import asyncio
    import time

    import numpy as np
    import orjson

    from app.cli.progress import progress_bar
    from app.cli.train_extra import needs_train_extra
    from app.errors import StartupRefused
    from app.features import bulk_load
    from app.features.bulk_load import LOADING_TIMEOUT_S
    from app.features.redis_errors import REDIS_ERRORS
    from app.main import open_store
    from app.settings import read_settings

    with needs_train_extra():
        from app.training.interactions import LogColumns, read_interactions

    settings = read_settings()
    if settings.redis_url is None:
        raise StartupRefused("set CTR_REDIS_URL: an embedded Redis would be gone after loading")
    log = read_interactions(
        file, LogColumns(user_column, item_column, category_column, time_column)
    )
    interactions = bulk_load.InteractionColumns(
        user_ids=np.repeat(log.user_ids, np.diff(log.ends_U, prepend=0)).tolist(),
        item_ids=log.items,
        category_ids=log.categories,
        timestamps=np.array(log.times, np.uint32),
    )
    redis_url = settings.redis_url.get_secret_value()

    async def load() -> bulk_load.Loaded:
        store = open_store(settings, redis_url, timeout_s=LOADING_TIMEOUT_S)
        try:
            held_out = int(np.minimum(np.diff(log.ends_U, prepend=0), hold_out).sum())
            with progress_bar("Loading behaviors", len(log.items) - held_out) as advance:
                return await bulk_load.load_behaviors(
                    store, interactions, hold_out=hold_out, progress=advance
                )
        finally:
            await store.close()

    started_s = time.perf_counter()
    try:
        loaded = asyncio.run(load())
    except REDIS_ERRORS as error:
        raise StartupRefused(f"the Redis of CTR_REDIS_URL: {error}") from None
    seconds = time.perf_counter() - started_s
    rate = loaded.events / seconds
    if as_json:
        result = {"users": loaded.users, "events": loaded.events, "events_per_s": rate}
        typer.echo(orjson.dumps(result))
    else:
        typer.echo(
            f"{loaded.events:,} events of {loaded.users:,} users in {seconds:.2f} s: {rate:,.0f}/s"
        )
