"""From the results file to docs/benchmarks.md and its plots; nothing is measured here.

Example: python -m bench.race.render bench/.race/results.json docs
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.race.contestants import OURS
from bench.race.cost_line import fit
from bench.race.plot import Axes, Line, bar_plot, line_plot
from bench.race.results import Cell, Results, Run, ratio, varying

METHOD = Path(__file__).with_name("method.md")
MAIN: Cell = (100, 50, 0.0)
COST_AXES = {"candidates": "behaviors", "behaviors": "candidates"}  # and what stays fixed

Rows = Iterable[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """The text of docs/benchmarks.md, and its plots by file name."""

    text: str
    plots: dict[str, str]


def render(results_file: Path, docs: Path) -> None:
    page = make_page(Results.read(results_file))
    docs.joinpath("benchmarks").mkdir(parents=True, exist_ok=True)
    docs.joinpath("benchmarks.md").write_text(page.text)
    for name, plot in page.plots.items():
        docs.joinpath("benchmarks", name).write_text(plot)


def make_page(results: Results) -> Page:
    plots = {"throughput.svg": _throughput_plot(results)}
    sections = [METHOD.read_text().strip(), _machine(results), _main_cell(results), _grid(results)]
    if results.runs("overload"):
        plots["overload.svg"] = _overload_plot(results)
        sections.append(_overload(results))
    for axis in COST_AXES:
        if len(_curve(results, OURS, axis)) > 1:
            plots[f"cost-{axis}.svg"] = _cost_plot(results, axis)
    if any(name.startswith("cost-") for name in plots):
        sections.append(_costs(results))
    if results.content.get("compute"):
        sections.append(_compute(results))
    sections += [_absent(results), _settings(results)]
    return Page("\n\n".join(filter(None, sections)) + "\n", plots)


def table(heads: Sequence[str], rows: Rows) -> str:
    """Markdown; all but the first column are numbers."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits; a dash for what was not measured."""
    if value is None or value != value:  # noqa: PLR0124 - not a number
        return "—"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _machine(results: Results) -> str:
    machine, client = results.content["fingerprint"], results.content["client"]
    facts = {
        "processor": machine["cpu"],
        "cores": str(machine["cores"]),
        "instruction sets": ", ".join(machine["isa"]),
        "memory": f"{machine['memory_gib']:g} GiB",
        "kernel": machine["kernel"],
        "Python, torch": f"{machine['python']}, {machine['torch']}",
        "commit, time": f"{machine['commit']}, {machine['taken_at']}",
        "model": results.content["model"],
    }
    busiest = max((run["client_cpu_share"] for run in results.runs("open")), default=0.0)
    late = max((run["send_lag_p99_ms"] for run in results.runs("open")), default=0.0)
    ceiling = (
        f"Against a server that answers {client['answer_bytes']:,} fixed bytes to the "
        f"{client['request_bytes']:,} bytes of such a request, on the same cores, our client "
        f"manages {number(client['own_client_per_s'])} requests/s"
    )
    if client["wrk_per_s"]:
        ceiling += f" and wrk {number(client['wrk_per_s'])}"
    ceiling += (
        f". In the open-loop runs it took at most {busiest:.0%} of a core, and 99 % of the "
        f"requests left at most {number(late)} ms after their time."
    )
    return f"## The machine\n\n{table(['', ''], facts.items())}\n\n{ceiling}"


def _main_cell(results: Results) -> str:
    ours = results.median("closed", OURS, MAIN, "requests_per_s")
    differences = results.content["differences"]
    rows = []
    for name in results.contestants("closed"):
        rate = results.median("closed", name, MAIN, "requests_per_s")
        rows.append(
            [
                name,
                number(rate),
                number(ratio(ours, rate)),
                number(results.median("closed", name, MAIN, "p50_ms")),
                number(results.median("closed", name, MAIN, "core_ms")),
                number(results.median("open", name, MAIN, "p50_ms")),
                number(results.median("open", name, MAIN, "p99_ms")),
                f"{differences.get(name, float('nan')):.0e}",
            ]
        )
    heads = [
        "server",
        "requests/s",
        "ours ÷ it",
        "p50 ms",
        "core-ms per request",
        "p50 ms at equal load",
        "p99 ms at equal load",
        "largest difference of a CTR",
    ]
    offered = [run["offered_per_s"] for run in results.runs("open")][:1]
    load = f"Equal load is {number(offered[0])} requests/s here.\n\n" if offered else ""
    plot = "![Requests/s of each server](benchmarks/throughput.svg)"
    return f"## 100 candidates, 50 behaviors\n\n{load}{table(heads, rows)}\n\n{plot}"


def _grid(results: Results) -> str:
    cells = results.cells("closed")
    if len(cells) < 2:
        return ""
    rows = []
    for cell in cells:
        peer = results.best_peer("closed", cell, "requests_per_s")
        calm = results.best_peer("open", cell, "p99_ms", lowest=True)
        rate = results.median("closed", OURS, cell, "requests_per_s")
        p99 = results.median("open", OURS, cell, "p99_ms")
        peer_rate = results.median("closed", peer, cell, "requests_per_s") if peer else None
        peer_p99 = results.median("open", calm, cell, "p99_ms") if calm else None
        rows.append(
            [
                f"{cell[0]} x {cell[1]}, {cell[2]:.0%} hot",
                number(rate),
                f"{number(peer_rate)} ({peer or '—'})",
                number(ratio(rate, peer_rate)),
                f"{_share_of_cut(results.of('closed', OURS, cell)):.0%}",
                number(p99),
                f"{number(peer_p99)} ({calm or '—'})",
            ]
        )
    heads = [
        "candidates x behaviors",
        "ours, requests/s",
        "best peer",
        "ratio",
        "ours of a cut history",
        "ours, p99 ms at equal load",
        "lowest of a peer",
    ]
    return f"## Grid\n\n{table(heads, rows)}"


def _share_of_cut(runs: Sequence[Run]) -> float:
    """Of the good answers, those that scored less than the whole history."""
    cut: int = sum(run["degraded"] for run in runs)
    return cut / max(1, sum(_good(run) for run in runs))


def _good(run: Run) -> int:
    good: int = run["requests"] - run["refused"] - run["unanswered"]
    return good


def _overload(results: Results) -> str:
    rows = [
        [
            run["contestant"],
            number(run["offered_per_s"]),
            number(run["goodput_per_s"]),
            number(run["p99_ms"]),
            str(run["degraded"]),
            str(run["refused"]),
            str(run["unanswered"]),
        ]
        for run in results.runs("overload")
    ]
    heads = [
        *("server", "offered/s", "good and in time/s", "p99 ms", "of a cut history"),
        *("refused", "unanswered"),
    ]
    at_equal_load = sum(run["degraded"] for run in results.runs("open"))
    note = (
        "Before ours refuses anybody it scores shorter histories ([the ladder](ladder.md)), and "
        f"says so in each such answer; at equal load, above, {at_equal_load} answers were such."
    )
    plot = "![Goodput against offered load](benchmarks/overload.svg)"
    return f"## More than it can do\n\n{note}\n\n{table(heads, rows)}\n\n{plot}"


def _costs(results: Results) -> str:
    rows, plots = [], []
    for axis in COST_AXES:
        if len(_curve(results, OURS, axis)) > 1:
            plots.append(f"![CPU time against {axis}](benchmarks/cost-{axis}.svg)")
        for name in results.contestants("costs"):
            runs = _curve(results, name, axis)
            if len(runs) < 2:
                continue
            line = fit([run[axis] for run in runs], [run["core_ms"] for run in runs])
            figures = (line.slope * 1e3, line.fixed, line.r_squared)
            rows.append([name, axis, *map(number, figures)])
    heads = ["server", "against", "core-µs for one more", "core-ms for none", "R²"]
    return f"## What a request costs\n\n{table(heads, rows)}\n\n" + "\n\n".join(plots)


def _compute(results: Results) -> str:
    rows = [
        [
            run["runtime"],
            number(run["median_ms"]),
            number(run["slower_than_ours"]),
            run["problem"] or f"{run['difference']:.0e}",
        ]
        for run in results.content["compute"]
    ]
    heads = ["runtime", "ms", "times the first", "largest difference of a CTR"]
    what = "100 candidates, 50 behaviors, one core, without HTTP and Redis."
    return f"## Compute only\n\n{what}\n\n{table(heads, rows)}"


def _absent(results: Results) -> str:
    skipped = results.content["skipped"]
    if not skipped:
        return ""
    lines = [f"- {name}: {reason}" for name, reason in skipped.items()]
    return "## Who did not take part\n\n" + "\n".join(lines)


def _settings(results: Results) -> str:
    lines = [
        f"- {name}: " + ", ".join(f"{key} {value}" for key, value in settings.items())
        for name, settings in results.content["settings"].items()
    ]
    return "## Settings\n\n" + "\n".join(lines)


def _throughput_plot(results: Results) -> str:
    bars = [
        (name, results.median("closed", name, MAIN, "requests_per_s") or 0.0)
        for name in results.contestants("closed")
    ]
    return bar_plot(Axes("Closed loop, 100 candidates x 50 behaviors", "", "requests/s"), bars)


def _overload_plot(results: Results) -> str:
    lines = [
        Line(
            name,
            [
                (run["offered_per_s"], run["goodput_per_s"])
                for run in results.runs("overload")
                if run["contestant"] == name
            ],
        )
        for name in results.contestants("overload")
    ]
    return line_plot(Axes("Goodput against offered load", "offered/s", "in time/s"), lines)


def _cost_plot(results: Results, axis: str) -> str:
    lines = [
        Line(name, [(run[axis], run["core_ms"]) for run in _curve(results, name, axis)])
        for name in results.contestants("costs")
    ]
    return line_plot(Axes(f"CPU time against {axis}", axis, "core-ms per request"), lines)


def _curve(results: Results, name: str, axis: str) -> list[dict[str, float]]:
    runs = [run for run in results.runs("costs") if run["contestant"] == name]
    return varying(runs, axis, COST_AXES[axis])


if __name__ == "__main__":
    render(Path(sys.argv[1]), Path(sys.argv[2]))
