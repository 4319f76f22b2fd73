"""Races model servers on this machine; `make bench` runs it.

Every contestant serves the same model with the same histories in the same Redis and gets the same
requests; it must give our scores before its time counts. Results go to one JSON file, and from it
to docs/benchmarks.md and its plots (`python -m bench.race.render` does only that).

Example: python -m bench.race --quick --only ctr-serve mosec litserve
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.features.embedded_redis import embedded_redis
from bench.race import race
from bench.race.agreement import LEAST_SPREAD, make_samples, write_samples
from bench.race.checkpoint import find_or_train
from bench.race.client_check import client_ceiling
from bench.race.compute import run_compute
from bench.race.contestants import CONTESTANTS, OUR_SETTINGS, OURS, PEER_SETTINGS, Checkpoint
from bench.race.export import export
from bench.race.fingerprint import fingerprint
from bench.race.plan import MAIN, Plan, quick
from bench.race.render import render
from bench.race.workload import KnownIds, write_histories
from bench.race.wrk import wrk_is_here

CACHE = Path("bench/.race")


def main() -> None:
    options = parse_options()
    plan = make_plan(options)
    cache = CACHE.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    if not wrk_is_here():
        print("wrk is not on PATH: the closed loop runs on our own client", file=sys.stderr)
    results = run(plan, options.store, options.model, cache)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    for name, reason in results["skipped"].items():
        print(f"{name} did not take part: {reason}", file=sys.stderr)
    if options.docs:
        render(options.output, options.docs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.race",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="100 candidates x 50 behaviors only")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--store", type=Path, help="a model store; default: a model is trained")
    parser.add_argument("--model", help="a DIEN in that store")
    parser.add_argument("--scale", type=float, default=1.0, help="of every run's seconds")
    parser.add_argument("--no-compute", action="store_true", help="leave out runtimes without HTTP")
    parser.add_argument("--output", type=Path, default=CACHE / "results.json")
    parser.add_argument("--docs", type=Path, help="folder to render benchmarks.md to")
    return parser.parse_args()


def make_plan(options: argparse.Namespace) -> Plan:
    contestants = [name for name in CONTESTANTS if name in {OURS, *options.only}]
    plan = quick(contestants) if options.quick else Plan(contestants=contestants)
    return replace(
        plan,
        warm_up_s=plan.warm_up_s * options.scale,
        closed_s=max(1, round(plan.closed_s * options.scale)),
        open_s=plan.open_s * options.scale,
        overload_s=plan.overload_s * options.scale,
        cost_s=max(1, round(plan.cost_s * options.scale)),
        compute=not options.no_compute,
    )


def run(plan: Plan, store: Path | None, model: str | None, cache: Path) -> dict[str, Any]:
    """Everything, as it goes into the JSON file."""
    store, artifact = find_or_train(store, model, cache)
    exported = export(artifact, cache / "export")
    ids = KnownIds.of(artifact)
    samples = make_samples(artifact, ids)
    if samples.spread < LEAST_SPREAD:
        sys.exit(f"all CTRs of {artifact.reference} are alike: agreeing with them says nothing")
    with embedded_redis() as redis_url, tempfile.TemporaryDirectory() as work:
        write_samples(redis_url, samples)
        for behaviors in plan.behaviors:
            write_histories(redis_url, ids, behaviors)
        checkpoint = Checkpoint(store, artifact.manifest.name, exported.folder)
        track = race.Track(checkpoint, redis_url, ids, samples, cache)
        ceiling = client_ceiling(MAIN, ids, Path(work))
        measured = _race(track, plan)
        compute = run_compute(checkpoint, cache) if plan.compute else []
    return {
        "fingerprint": asdict(fingerprint()),
        "model": artifact.reference,
        "settings": {
            OURS: dict(OUR_SETTINGS),
            **{name: asdict(settings) for name, settings in PEER_SETTINGS.items()},
        },
        "plan": asdict(plan),
        "client": asdict(ceiling),
        "skipped": track.skipped,
        "differences": track.differences,
        **measured,
        "compute": compute,
    }


def _race(track: race.Track, plan: Plan) -> dict[str, list[dict[str, Any]]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("The race", total=race.steps(plan))

        def advance(done: str) -> None:
            progress.update(task, advance=1, description=done)

        closed = race.closed_rounds(track, plan, advance)
        found = {
            "closed": closed,
            "open": race.open_rounds(track, plan, closed, advance),
            "overload": race.overload(track, plan, closed, advance),
            "costs": race.costs(track, plan, closed, advance),
        }
    return {name: [asdict(run) for run in runs] for name, runs in found.items()}


if __name__ == "__main__":
    main()
