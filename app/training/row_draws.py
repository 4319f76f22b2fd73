"""Which rows of a pool become negatives: by popularity, any item as often, or hard ones."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.core.batch import Rows
from app.core.schema import OOV_ROW
from app.training.options import NegativeOptions

# M rows of the pool, N positives, F behavior fields (item, category), D distinct items of the pool


class RowDraw(Protocol):
    """Draws a row of the pool, by its index [N], for each positive."""

    def __call__(self, positives_NF: Rows, rng: np.random.Generator) -> Rows: ...


def row_draw(pool_MF: Rows, options: NegativeOptions) -> RowDraw:
    match options.negatives:
        case "random":
            return DrawItem(pool_MF[:, 0], exponent=0.0)
        case "popularity" if options.popularity_exponent == 1:
            return DrawRow(len(pool_MF))
        case "popularity":
            return DrawItem(pool_MF[:, 0], exponent=options.popularity_exponent)
        case "hard":
            return DrawOfCategory(pool_MF)


def drawable(items_M: Rows, options: NegativeOptions) -> NDArray[np.bool_]:
    """The rows for a pool. Where every item counts alike, the unknown ones are not one of them."""
    known_M: NDArray[np.bool_] = items_M != OOV_ROW
    if options.negatives == "random" and known_M.any():
        return known_M
    return np.ones(len(items_M), bool)


class DrawRow:
    """Every row alike, so each item as often as the pool has it."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __call__(self, positives_NF: Rows, rng: np.random.Generator) -> Rows:
        if len(positives_NF) == 0:
            return np.empty(0, np.int64)
        return rng.integers(self._rows, size=len(positives_NF))


class DrawItem:
    """An item with p proportional to its count in the pool to a power, then any row of it."""

    def __init__(self, items_M: Rows, *, exponent: float) -> None:
        self._order_M = np.argsort(items_M, kind="stable")
        _, self._first_D, self._counts_D = np.unique(
            items_M[self._order_M], return_index=True, return_counts=True
        )
        # Over the largest, because its power may be too much for a float.
        weights_D = (self._counts_D / self._counts_D.max(initial=1)) ** exponent
        self._ends_D = np.cumsum(weights_D)

    def __call__(self, positives_NF: Rows, rng: np.random.Generator) -> Rows:
        if len(positives_NF) == 0:
            return np.empty(0, np.int64)
        points_N = rng.random(len(positives_NF)) * self._ends_D[-1]
        item_N = np.searchsorted(self._ends_D, points_N, side="right")
        return self._order_M[_within(self._first_D[item_N], self._counts_D[item_N], rng)]


class DrawOfCategory:
    """Another item of the positive's category, as often as the pool has it there.

    Any row where the category has no other item.
    """

    def __init__(self, pool_MF: Rows) -> None:
        item_M, category_M = pool_MF[:, 0], pool_MF[:, 1]
        self._order_M = np.lexsort((item_M, category_M))
        self._items = int(item_M.max(initial=0)) + 1
        self._category_M = category_M[self._order_M]
        self._pair_M = self._pairs(pool_MF[self._order_M])
        self._any = DrawRow(len(pool_MF))

    def __call__(self, positives_NF: Rows, rng: np.random.Generator) -> Rows:
        first_N, end_N = _span(self._category_M, positives_NF[:, 1])
        own_first_N, own_end_N = _span(self._pair_M, self._pairs(positives_NF))
        own_N = own_end_N - own_first_N
        others_N = end_N - first_N - own_N
        rows_N = self._any(positives_NF, rng)
        found = np.flatnonzero(others_N)
        # The rows of a category without those of the positive, which lie together within them.
        at = _within(first_N[found], others_N[found], rng)
        at += np.where(at >= own_first_N[found], own_N[found], 0)
        rows_N[found] = self._order_M[at]
        return rows_N

    def _pairs(self, rows_NF: Rows) -> Rows:
        """One number per category and item, in the order of both; an item beyond the pool's: -1."""
        item_N, category_N = rows_NF[:, 0], rows_NF[:, 1]
        return np.where(item_N < self._items, category_N * self._items + item_N, -1)


def _within(first_N: Rows, counts_N: Rows, rng: np.random.Generator) -> Rows:
    """Any of first .. first + count - 1."""
    steps_N: NDArray[np.int64] = (rng.random(len(first_N)) * counts_N).astype(np.int64)
    return first_N + steps_N


def _span(sorted_M: Rows, values_N: Rows) -> tuple[Rows, Rows]:
    return (
        np.searchsorted(sorted_M, values_N, side="left"),
        np.searchsorted(sorted_M, values_N, side="right"),
    )
