"""`ctr-serve demo --once`: the first thing that a stranger sees."""

import re

import pytest

from tests.cli.commands import ctr_serve

ROW = re.compile(r"^ +(\d+) +(ad-\S+) +([\d.]+)% +([\d.]+)% +(\d+) +(\S+) \d+%", re.MULTILINE)


@pytest.fixture(scope="module")
def output() -> str:
    finished = ctr_serve("demo", "--once", "--port", "0")
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_three_users_get_their_ads_ranked(output: str) -> None:
    ranks = [int(row[0]) for row in ROW.findall(output)]

    assert ranks == [*range(1, 13)] * 3


def test_the_best_ad_comes_first(output: str) -> None:
    for user in output.split("now likes")[1:]:
        ctrs = [float(row[2]) for row in ROW.findall(user)]

        assert ctrs == sorted(ctrs, reverse=True)


def test_the_shipped_model_has_learned_the_world(output: str) -> None:
    rows = ROW.findall(output)

    first = [float(true) for rank, _, _, true, *_ in rows if int(rank) <= 4]
    last = [float(true) for rank, _, _, true, *_ in rows if int(rank) >= 9]

    assert sum(first) > 3 * sum(last)


def test_nothing_but_the_tables_is_printed(output: str) -> None:
    assert "{" not in output
