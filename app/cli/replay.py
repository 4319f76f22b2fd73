"""`ctr-serve replay`: recorded requests are scored again, by the same version or by another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from app.scoring.replay import OfflineComparison, Reproduction

DIFFERENT = 1
CONFIDENCE = 0.95


def replay(
    folder: Annotated[Path, typer.Argument(help="Where requests were recorded.")],
    against: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Compare what was answered with this version."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Requests to score; all of them if none.")
    ] = None,
    store: Annotated[
        str, typer.Option(envvar="CTR_MODEL_STORE", help="Where the versions are; may be a URL.")
    ] = "model_store",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score recorded requests again.

    Without --against by the versions that had scored them: the fused runtime
    gives the same bits on the same kind of CPU, others the same logits to
    1e-5. Exits with 1 if they differ by more.

    With --against by another version of the same model, and says how the two
    differ: ratio of the mean CTRs, rank correlation within requests, PSI of
    the scores. docs/rollout.md explains them. CTR_RUNTIME and CTR_DEVICE count
    too.

    Example: ctr-serve replay recorded --against 2
    """
    from functools import cache
    from itertools import islice

    import orjson

    from app.cli.given_store import given_store
    from app.inference.device import resolve_device
    from app.inference.torch_process import prepare_torch
    from app.recording.record_files import read_records
    from app.registry.loaded_version import LoadedVersion, load_version
    from app.scoring.replay import compare, reproduce
    from app.settings import read_settings

    settings = read_settings()
    prepare_torch(threads=settings.torch_threads)
    model_store = given_store(store, settings)
    device = resolve_device(settings.device)
    artifact_of = cache(model_store.load)

    @cache
    def loaded(name: str, version: str) -> LoadedVersion:
        return load_version(artifact_of(name, version), device, settings.runtime)

    records = islice(read_records(folder), limit)
    if against is None:
        reproduction = reproduce(records, loaded)
        result, line = _reproduced(reproduction)
        typer.echo(orjson.dumps(result) if as_json else line)
        if not reproduction.is_exact:
            raise typer.Exit(DIFFERENT)
        return
    offline = compare(
        records,
        lambda name, _: loaded(name, against),
        lambda name, version: artifact_of(name, version).vocabularies["user_id"],
        lambda name, version: artifact_of(name, version).manifest.calibration,
    )
    result = _compared(offline)
    typer.echo(orjson.dumps(result) if as_json else _lines_of(result))


def _reproduced(reproduction: "Reproduction") -> tuple[dict[str, Any], str]:
    result = {
        "requests": reproduction.requests,
        "candidates": reproduction.candidates,
        "identical_requests": reproduction.identical,
        "max_logit_difference": reproduction.max_difference,
        "recorded_by": dict(reproduction.runtimes),
    }
    line = (
        f"{reproduction.identical:,} of {reproduction.requests:,} requests "
        f"({reproduction.candidates:,} candidates) have the same scores bit for bit; "
        f"the largest difference of a logit is {reproduction.max_difference:.3g}. "
        f"They were scored by {', '.join(sorted(reproduction.runtimes))}"
    )
    return result, line


def _compared(offline: "OfflineComparison") -> dict[str, Any]:
    from dataclasses import asdict

    from app.registry.rollout.measures import measured

    measures = measured(offline.comparison, 1 - CONFIDENCE)
    return {
        "requests": offline.requests,
        "not_numbers": offline.not_numbers,
        "max_ctr_difference": offline.max_ctr_difference,
        **{name: asdict(interval) for name, interval in measures.items()},
    }


def _lines_of(result: dict[str, Any]) -> str:
    first = (
        f"{result['requests']:,} requests, {result['not_numbers']:,} without a number as score; "
        f"the largest difference of a CTR is {result['max_ctr_difference']:.4f}"
    )
    lines = [first]
    for name in ("ctr_ratio", "rank_correlation", "psi"):
        if name in result:
            of = result[name]
            lines.append(f"{name}: {of['value']:.4f}, {of['low']:.4f} to {of['high']:.4f} (95 %)")
        else:
            lines.append(f"{name}: too few requests to know")
    return "\n".join(lines)
