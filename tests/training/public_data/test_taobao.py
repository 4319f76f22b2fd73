"""Taobao's UserBehavior.csv: the behaviors asked for, in its nine days, are clicks."""

from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.training.public_data.taobao import read_taobao
from tests.training.public_data.published_files import (
    CATEGORIES,
    events_of,
    expected,
    ignore,
    user_behavior,
    user_behavior_line,
    write_lines,
)


def test_page_views_are_clicks(tmp_path: Path) -> None:
    path = user_behavior(tmp_path / "UserBehavior.csv")
    done: list[int] = []

    public = read_taobao(path, ("pv",), done.append)

    assert events_of(public.log) == expected({item: str(100 + int(item)) for item in CATEGORIES})
    assert public.source == "Taobao UserBehavior"
    assert sum(done) == path.stat().st_size


@pytest.mark.parametrize(
    ("behaviors", "items"),
    [(["pv"], ["1"]), (["buy"], ["2"]), (["pv", "cart", "fav"], ["1", "3", "4"])],
    ids=str,
)
def test_other_behaviors_count_if_asked_for(
    tmp_path: Path, behaviors: list[str], items: list[str]
) -> None:
    kinds = enumerate(("pv", "buy", "cart", "fav"), 1)
    lines = [user_behavior_line("u", str(item), item, kind) for item, kind in kinds]

    public = read_taobao(write_lines(tmp_path / "UserBehavior.csv", lines), behaviors, ignore)

    assert public.log.items == items
    assert public.counts["other_behaviors"] == 4 - len(items)


def test_times_outside_the_nine_days_are_dropped_and_counted(tmp_path: Path) -> None:
    last_second = 9 - 1 / 86_400
    days = [0.0, -1 / 86_400, -40_000.0, 9.0, 7_000.0, last_second]
    lines = [user_behavior_line("u", str(item), day) for item, day in enumerate(days)]

    public = read_taobao(write_lines(tmp_path / "UserBehavior.csv", lines), ("pv",), ignore)

    assert lines[2].split(",")[-1].startswith("-")
    assert public.log.items == ["0", "5"]
    assert public.counts == {"events": 2, "other_behaviors": 0, "out_of_range_times": 4}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3,pv", "it is '1,2,3,pv'; 5 fields"),
        ("1,2,3,pv,1511544070,9", "it is '1,2,3,pv,1511544070,9'; 5 fields"),
        ("1,2,3,view,1511544070", "behavior is 'view'; it is one of pv buy cart fav"),
        ("1,2,3,pv,2017-11-25", "timestamp is '2017-11-25'; unix seconds"),
        (",2,3,pv,1511544070", "user is ''"),
        ("1,,3,pv,1511544070", "item is ''"),
    ],
    ids=["fewer", "more", "behavior", "date", "user", "item"],
)
def test_a_bad_line_is_refused_by_number(tmp_path: Path, line: str, reason: str) -> None:
    path = write_lines(tmp_path / "UserBehavior.csv", [user_behavior_line("u", "1", 0), line])

    with pytest.raises(StartupRefused, match=rf"UserBehavior\.csv, line 2: {reason}"):
        read_taobao(path, ("pv",), ignore)


def test_a_file_with_nothing_to_keep_says_what_it_has(tmp_path: Path) -> None:
    lines = [user_behavior_line("u", "1", 0, "buy"), user_behavior_line("u", "1", 99)]
    path = write_lines(tmp_path / "UserBehavior.csv", lines)

    with pytest.raises(
        StartupRefused, match=r"has no pv from .* 1 other behaviors, 1 out of range times"
    ):
        read_taobao(path, ("pv",), ignore)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match=r"UserBehavior\.csv has no events"):
        read_taobao(write_lines(tmp_path / "UserBehavior.csv", []), ("pv",), ignore)


def test_a_behavior_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = user_behavior(tmp_path / "UserBehavior.csv")

    with pytest.raises(StartupRefused, match="--behavior click is none of pv buy cart fav"):
        read_taobao(path, ("pv", "click"), ignore)
