"""Sample files become candidates and users, each user once."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import StartupRefused
from app.training.samples import read_samples
from app.training.side_fields import parse_fields
from tests.training.builders import Row, sample, write_rows

HISTORY = [("i7", "c7", 10), ("i8", "c8", 20)]


def test_consecutive_rows_of_one_user_and_history_share_a_user(tmp_path: Path) -> None:
    rows = [
        sample(1, "ann", history=HISTORY),
        sample(0, "ann", history=HISTORY),
        sample(0, "ann", history=HISTORY[:1]),
        sample(1, "bob", history=HISTORY[:1]),
        sample(0, "ann", history=HISTORY),
    ]

    samples = read_samples(write_rows(tmp_path / "train.tsv", rows))

    assert samples.user_of_C.tolist() == [0, 0, 1, 2, 3]
    assert samples.users.ids["user_id"][0:4] == ["ann", "ann", "bob", "ann"]
    assert samples.lengths_U.tolist() == [2, 1, 1, 2]
    assert samples.behaviors.ids["item_id"][0:6] == ["i7", "i8", "i7", "i7", "i7", "i8"]
    assert samples.behaviors.ids["category_id"][0:2] == ["c7", "c8"]
    assert samples.behavior_times_N.tolist() == [10, 20, 10, 10, 10, 20]
    assert samples.labels_C.tolist() == [1, 0, 0, 1, 0]


def test_rows_with_another_moment_are_another_user(tmp_path: Path) -> None:
    rows = [sample(1, device="phone"), sample(0, device="phone"), sample(0, device="desktop")]
    path = write_rows(tmp_path / "train.tsv", rows)

    samples = read_samples(path, parse_fields(["context:device:sparse"]))

    assert samples.user_of_C.tolist() == [0, 0, 1]
    assert samples.users.ids["device"][0:2] == ["phone", "desktop"]


def test_an_empty_history_is_a_user_without_behaviors(tmp_path: Path) -> None:
    rows = [sample(1, "cold"), sample(0, "warm", history=HISTORY)]

    samples = read_samples(write_rows(tmp_path / "train.tsv", rows))

    assert samples.lengths_U.tolist() == [0, 2]
    assert len(samples.behavior_times_N) == 2


def test_one_behavior_of_no_category_is_a_behavior(tmp_path: Path) -> None:
    rows = [sample(1, history=[("i1", "", 5)]), sample(0, history=HISTORY)]

    samples = read_samples(write_rows(tmp_path / "train.tsv", rows))

    assert samples.lengths_U.tolist() == [1, 2]
    assert samples.behaviors.ids["category_id"][0:3] == ["", "c7", "c8"]


def test_numbers_that_cannot_be_read_are_missing(tmp_path: Path) -> None:
    rows = [sample(price=value) for value in ("2.5", "", "cheap", "inf", "-1e3")]
    path = write_rows(tmp_path / "train.tsv", rows)

    samples = read_samples(path, parse_fields(["candidate:price:dense"]))

    expected = np.array([2.5, np.nan, np.nan, np.nan, -1000.0])
    np.testing.assert_array_equal(samples.candidates.numbers["price"], expected)


def test_the_first_rows_are_enough_for_a_try(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.tsv", [sample(0), sample(1), sample(1)])

    assert len(read_samples(path, limit_rows=2)) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (sample("yes"), "row 2: label is 'yes'; a label is 1 for a click"),
        (sample(0.5), "row 2: label is '0.5'"),
        (sample(""), "row 2: label is ''"),
        (sample(history=[("i1", "c1", "noon")]), "row 2: history_timestamps is 'noon'"),
        (sample(history=[("i1", "c1", 9_999_999_999)]), "unix seconds end at 4294967295"),
        (sample() | {"history_items": "i1,i2", "history_cates": "c1"}, "as long as history_items"),
        (sample() | {"history_items": "i1"}, "row 2: history_timestamps is ''"),
        (sample() | {"history_cates": "c1"}, "row 2: history_cates is 'c1'"),
    ],
    ids=["text", "half", "no_label", "no_time", "no_second", "short", "no_times", "no_items"],
)
def test_a_bad_row_is_refused_in_one_line(tmp_path: Path, row: Row, reason: str) -> None:
    path = write_rows(tmp_path / "train.tsv", [sample(history=HISTORY), row])

    with pytest.raises(StartupRefused) as refused:
        read_samples(path)

    assert str(path) in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_declared_field_must_be_a_column(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.tsv", [sample()])

    with pytest.raises(StartupRefused, match="no column 'price'"):
        read_samples(path, parse_fields(["candidate:price:dense"]))
