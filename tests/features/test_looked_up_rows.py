"""Remembered rows are those that were looked up, and there are never too many of them."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.core.batch import Rows
from app.core.request import FieldValue
from app.features.looked_up_rows import LookedUpRows


class Lengths:
    """Looks up how many characters an id has as text, and counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, ids: Sequence[FieldValue]) -> Rows:
        self.times += 1
        return np.array([len(str(one)) for one in ids], np.int64)


ids = st.sampled_from(["", "a", "bb", "ccc", "日本", 7, 11, None, 2.5])


@given(st.lists(st.lists(ids, max_size=12), max_size=20), st.integers(0, 6))
def test_rows_are_those_that_were_looked_up_however_much_is_remembered(batches, max_ids):
    rows = LookedUpRows(Lengths(), max_ids=max_ids)

    for batch in batches:
        assert rows.rows_of(batch).tolist() == Lengths()(batch).tolist()
        assert len(rows) <= max_ids


def test_ids_that_were_looked_up_are_remembered():
    look_up = Lengths()
    rows = LookedUpRows(look_up)
    rows.rows_of(["a", "bb", None])

    assert rows.rows_of(["bb", "a", "bb"]).tolist() == [2, 1, 2]
    assert look_up.times == 1
