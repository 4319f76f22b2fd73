"""`ctr-serve models rollout`: a version is tried beside the active one of a running service."""

from typing import Annotated, Any, Literal

import typer

from app.cli.models.options import AsJson


def rollout(
    version: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="What to try; NAME alone to look.")
    ],
    url: Annotated[str, typer.Option(help="The running service.")] = "http://127.0.0.1:8000",
    mode: Annotated[
        Literal["canary", "shadow"], typer.Option(help="Whether it answers its users.")
    ] = "canary",
    percent: Annotated[float, typer.Option(min=0, max=100, help="Of the users; 0 stops it.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Try a version on a percent of the users, until it is promoted or rolled back by itself.

    NAME alone says where a rollout stands; docs/rollout.md explains the measures.

    Examples: CTR_ADMIN_KEY=... ctr-serve models rollout dien@4 --percent 5;
    ctr-serve models rollout dien
    """
    import orjson

    from app.cli.models.running_service import RunningService

    service = RunningService(url)
    name, at, number = version.partition("@")
    if not at:
        state = service.rollout(name)
    elif percent == 0:
        state = service.roll_out(name, None)
    else:
        state = service.roll_out(name, {"version": number, "mode": mode, "percent": percent})
    typer.echo(orjson.dumps(state) if as_json else "\n".join(_lines_of(name, state)))


def _lines_of(name: str, state: dict[str, Any]) -> list[str]:
    under_way, last = state["under_way"], state["last"]
    if under_way is None:
        lines = [f"Nothing of {name} is rolled out."]
        if last is not None:
            lines.append(
                f"{name}@{last['version']} {last['event']} at {last['at']}: {last['reason']}"
            )
        return lines
    about = (
        f"{name}@{under_way['version']} as a {under_way['mode']} on {under_way['percent']:g} % of "
        f"the users for {under_way['seconds']:.0f} s, {under_way['compared']:,} requests compared "
        f"with {name}@{under_way['active']}"
    )
    measures = [
        f"{measure}: {of['value']:.4g}, surely {of['low']:.4g} to {of['high']:.4g}"
        for measure, of in under_way["measures"].items()
    ]
    return [about, *measures, f"Verdict: {under_way['verdict']}"]
