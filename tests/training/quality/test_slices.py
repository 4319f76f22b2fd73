"""Slices hold the rows that they name; the buckets and categories hold each row once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.training.quality.slices import (
    LARGEST_CATEGORIES,
    Circumstances,
    by_category,
    by_history_length,
    by_training_clicks,
    cold_start,
)


def circumstances(**parts):
    rows = len(next(iter(parts.values())))
    none, known = np.zeros(rows, np.int64), np.ones(rows, bool)
    alike = Circumstances(none, known, known, none, ["c0"], none, None)
    return replace(alike, **{name: np.array(part) for name, part in parts.items()})


def rows_of(slices):
    return {part.name: np.flatnonzero(part.rows_C).tolist() for part in slices}


def test_histories_lie_in_buckets():
    these = circumstances(history_length_C=[0, 1, 4, 5, 9, 10, 19, 20, 49, 50, 900])

    assert rows_of(by_history_length(these)) == {
        "0": [0],
        "1-4": [1, 2],
        "5-9": [3, 4],
        "10-19": [5, 6],
        "20-49": [7, 8],
        "50+": [9, 10],
    }


@given(st.lists(st.integers(0, 200), min_size=1))
def test_every_row_is_in_one_bucket(clicks):
    slices = list(by_training_clicks(circumstances(training_clicks_C=clicks)))

    assert (np.sum([part.rows_C for part in slices], axis=0) == 1).all()


def test_without_training_samples_nothing_is_said_about_training_clicks():
    assert list(by_training_clicks(circumstances(history_length_C=[1]))) == []


@pytest.mark.parametrize("count", [1, LARGEST_CATEGORIES, LARGEST_CATEGORIES + 3])
def test_the_largest_categories_come_first_and_all_others_are_one(count):
    codes = np.repeat(np.arange(count), np.arange(1, count + 1))
    these = replace(circumstances(category_C=codes), categories=[f"c{n}" for n in range(count)])

    slices = list(by_category(these))

    names = [part.name for part in slices]
    largest = [f"c{n}" for n in reversed(range(count))][:LARGEST_CATEGORIES]
    assert names[:LARGEST_CATEGORIES] == largest
    assert ("(other)" in names) == (count > LARGEST_CATEGORIES)
    assert (np.sum([part.rows_C for part in slices], axis=0) == 1).all()


def test_a_missing_category_has_a_name():
    these = replace(circumstances(category_C=[0]), categories=[""])

    assert rows_of(by_category(these)) == {"(missing)": [0]}


def test_cold_is_what_the_vocabulary_does_not_know_and_who_has_no_history():
    these = circumstances(
        item_known_C=[True, True, False, False],
        category_known_C=[True, False, True, False],
        history_length_C=[0, 3, 3, 3],
    )

    assert rows_of(cold_start(these)) == {
        "known item and category": [0],
        "known item, unknown category": [1],
        "unknown item, known category": [2],
        "unknown item and category": [3],
        "user with history": [1, 2, 3],
        "user without history": [0],
    }
