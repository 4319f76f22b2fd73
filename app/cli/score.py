"""`ctr-serve score`: a file of requests is ranked without a server."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    model: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="The active version of NAME if none.")
    ],
    rows: Annotated[
        Path, typer.Option("--input", help="Requests: .jsonl or .ndjson (.gz too) or .parquet.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Answers, in the same formats; standard output if none.")
    ] = None,
    store: Annotated[
        str, typer.Option(envvar="CTR_MODEL_STORE", help="Where the version is; may be a URL.")
    ] = "model_store",
    skip_malformed: Annotated[
        bool, typer.Option(help="Leave malformed rows out and count them, instead of stopping.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say in JSON what was done.")] = False,
) -> None:
    """Rank the candidates of every row of a file, as the service would.

    A row is shaped like the body of POST /v1/rank; of these, `model` and
    `deadline_ms` do not count here. Its answer is shaped like the service's:
    in the order of the rows, with the number of the row as `request_id`.

    Histories, profiles and ads that a row leaves out come from the Redis of
    CTR_REDIS_URL. Without it, such users count as users without history and
    such ads as unknown. CTR_DEVICE, CTR_TORCH_THREADS and CTR_MAX_BATCH_PAIRS
    count too (docs/settings.md).

    Example: ctr-serve score demo --input requests.jsonl.gz --output answers.parquet
    """
    import time

    import orjson

    from app.cli.given_store import given_store
    from app.cli.progress import progress_bar
    from app.cli.score_features import feature_source
    from app.cli.score_files import answers_to, rows_of
    from app.inference.concurrency import default_batch_pairs
    from app.inference.device import resolve_device
    from app.inference.torch_process import prepare_torch
    from app.registry.loaded_version import load_version
    from app.registry.version_reference import resolve
    from app.scoring.ranking import OfflineRanker
    from app.scoring.rows import RowReader
    from app.scoring.run import write_answers
    from app.settings import read_settings

    settings = read_settings()
    file = rows_of(rows)
    reader = RowReader(file, skip_malformed=skip_malformed)
    model_store = given_store(store, settings)
    prepare_torch(threads=settings.torch_threads)
    artifact = model_store.load(*resolve(model_store, model))
    device = resolve_device(settings.device)
    version = load_version(artifact, device, settings.runtime)
    started_s = time.perf_counter()
    with (
        feature_source(settings, version.encoder.schema) as features,
        answers_to(output) as write,
        progress_bar(f"Ranking ({file.unit})", file.total) as advance,
    ):
        max_batch_pairs = settings.max_batch_pairs or default_batch_pairs(device)
        ranker = OfflineRanker(version, features, max_batch_pairs)
        written = write_answers(ranker.rank(reader.read(advance)), write)
    seconds = time.perf_counter() - started_s
    rate = written.candidates / seconds
    to_stderr = output is None  # standard output has the answers
    if as_json:
        result = {
            "model": version.manifest.name,
            "version": version.manifest.version,
            "rows": written.rows,
            "candidates": written.candidates,
            "degraded": written.degraded,
            "skipped": reader.skipped,
            "seconds": seconds,
            "candidates_per_s": rate,
        }
        typer.echo(orjson.dumps(result), err=to_stderr)
        return
    typer.echo(
        f"{written.rows:,} rows with {written.candidates:,} candidates in {seconds:.2f} s "
        f"({rate:,.0f} candidates/s), {reader.skipped:,} rows skipped, "
        f"{written.degraded:,} without a history that exists",
        err=to_stderr,
    )
