"""Rows of the ids that are asked for again and again: ads are few beside the requests for them."""

from collections.abc import Callable, Sequence

import numpy as np

from app.core.batch import Rows
from app.core.request import FieldValue

RowsOf = Callable[[Sequence[FieldValue]], Rows]

MAX_IDS = 2**15  # some 5 MB where ids are as short as most are


class LookedUpRows:
    """Remembers the table rows of ids: to hash and search for them takes three times as long.

    What is remembered is bounded. Once it is too much all of it is forgotten, and what is still
    asked for is soon there again.
    """

    def __init__(self, look_up: RowsOf, *, max_ids: int = MAX_IDS) -> None:
        self._look_up = look_up
        self._max_ids = max_ids
        self._rows: dict[FieldValue, int] = {}  # numbers that are equal are the same id too

    def __len__(self) -> int:
        """Ids that are remembered."""
        return len(self._rows)

    def rows_of(self, ids: Sequence[FieldValue]) -> Rows:
        """[N] rows as they were looked up, of ids that are known and of those that are not."""
        try:
            # All of it is C: no step in Python for an id.
            return np.fromiter(map(self._rows.__getitem__, ids), np.int64, len(ids))
        except KeyError:
            return self._looked_up(ids)

    def _looked_up(self, ids: Sequence[FieldValue]) -> Rows:
        """All of them: to tell which ones are new would take as long."""
        rows = self._look_up(ids)
        found = dict(zip(ids, rows.tolist(), strict=True))
        if len(self._rows) + len(found) > self._max_ids:
            self._rows = {}
        if len(found) <= self._max_ids:
            self._rows |= found
        return rows
