"""The page says what the results file says."""

import json

import pytest

from bench.race.contestants import OURS
from bench.race.render import make_page, number, render
from bench.race.results import Results


def run(contestant, rate, *, cell=(100, 50, 0.0), **others):
    candidates, behaviors, hot_share = cell
    return {
        "contestant": contestant,
        "candidates": candidates,
        "behaviors": behaviors,
        "hot_share": hot_share,
        "requests_per_s": rate,
        "p50_ms": 10.0,
        "p99_ms": 20.0,
        "core_ms": 0.05 * candidates + 1,
        "offered_per_s": 70.0,
        "goodput_per_s": rate,
        "refused": 3,
        "unanswered": 0,
        "requests": 103,
        "degraded": 0,
        "client_cpu_share": 0.1,
        "send_lag_p99_ms": 0.5,
        **others,
    }


CONTENT = {
    "fingerprint": {
        "cpu": "A processor",
        "cores": 2,
        "isa": ["avx2"],
        "memory_gib": 16.0,
        "kernel": "6.1",
        "python": "3.11",
        "torch": "2.13.0",
        "commit": "abc",
        "taken_at": "2026-01-01",
    },
    "model": "race@1",
    "settings": {OURS: {"CTR_TORCH_THREADS": "1"}},
    "client": {
        "candidates": 100,
        "request_bytes": 7000,
        "answer_bytes": 6000,
        "own_client_per_s": 9000.0,
        "wrk_per_s": 0.0,
    },
    "skipped": {"torchserve": "there is no Java"},
    "differences": {OURS: 1e-8, "mosec": 2e-7},
    "closed": [run("mosec", 100.0), run("mosec", 120.0), run(OURS, 400.0), run(OURS, 480.0)],
    "open": [run("mosec", 70.0, p99_ms=90.0), run(OURS, 70.0, p99_ms=9.0)],
    "overload": [run(OURS, 440.0, offered_per_s=1320.0, degraded=287)],
    "costs": [run(OURS, 1.0, cell=(candidates, 50, 0.0)) for candidates in (20, 50, 100)],
    "compute": [
        {
            "runtime": "ours",
            "median_ms": 2.0,
            "slower_than_ours": 1.0,
            "difference": 0.0,
            "problem": None,
        },
        {
            "runtime": "theirs",
            "median_ms": None,
            "slower_than_ours": None,
            "difference": None,
            "problem": "no such operator",
        },
    ],
}


def page(**changes):
    return make_page(Results({**CONTENT, **changes}))


def test_ours_comes_first_and_the_ratio_is_of_medians():
    rows = [
        line for line in page().text.splitlines() if line.startswith(("| ctr-serve", "| mosec"))
    ]

    assert rows[0].startswith("| ctr-serve | 440 | 1 |")
    assert rows[1].startswith("| mosec | 110 | 4 |")


def test_who_did_not_take_part_is_named_with_the_reason():
    assert "- torchserve: there is no Java" in page().text


def test_answers_of_a_shorter_history_are_told_apart_and_counted_elsewhere_too():
    cells = [(100, 50, 0.0), (400, 100, 0.0)]
    closed = [run("mosec", 100.0, cell=cell) for cell in cells]
    closed += [run(OURS, 400.0, cell=cells[0]), run(OURS, 200.0, cell=cells[1], degraded=50)]
    at_equal_load = [run(OURS, 70.0, degraded=5)]

    text = page(closed=closed, open=at_equal_load).text

    assert "| ctr-serve | 1,320 | 440 | 20 | 287 | 3 | 0 |" in text
    assert "at equal load, above, 5 answers were such" in text
    assert "| 100 x 50, 0% hot | 400 | 100 (mosec) | 4 | 0% |" in text
    assert "| 400 x 100, 0% hot | 200 | 100 (mosec) | 2 | 50% |" in text


def test_costs_come_with_their_slope_and_how_straight_they_are():
    assert "| ctr-serve | candidates | 50 | 1 | 1 |" in page().text


def test_a_runtime_that_could_not_be_measured_shows_why():
    text = page().text

    assert "| ours | 2 | 1 | 0e+00 |" in text
    assert "| theirs | — | — | no such operator |" in text


def test_a_part_that_was_not_measured_has_no_section():
    text = page(overload=[], costs=[], compute=[]).text

    assert "More than it can do" not in text
    assert "What a request costs" not in text
    assert "Compute only" not in text


def test_every_plot_that_the_page_shows_is_made():
    made = page()

    shown = {part.partition(")")[0] for part in made.text.split("(benchmarks/")[1:]}
    assert shown == set(made.plots)


def test_rendering_needs_nothing_but_the_file(tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(CONTENT))

    render(file, tmp_path)

    assert tmp_path.joinpath("benchmarks.md").read_text() == page().text
    assert tmp_path.joinpath("benchmarks", "throughput.svg").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (float("nan"), "—"), (1234.5, "1,234"), (0.01234, "0.0123"), (12.0, "12")],
)
def test_numbers_have_three_digits_that_count(value, text):
    assert number(value) == text
