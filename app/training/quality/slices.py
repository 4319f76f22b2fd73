"""Parts of a split that a mean hides: by length of history, by category, and what is cold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.batch import Rows
from app.training.quality.scored_rows import Mask

# C candidates

BUCKETS = ((0, 0), (1, 4), (5, 9), (10, 19), (20, 49), (50, None))
LARGEST_CATEGORIES = 10


@dataclass(frozen=True, slots=True)
class SliceRows:
    """The rows that have something in common."""

    name: str
    rows_C: Mask


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of each candidate beside its score."""

    history_length_C: Rows
    item_known_C: Mask  # to the vocabulary
    category_known_C: Mask
    category_C: Rows  # codes
    categories: Sequence[str]  # by code
    item_C: Rows  # codes
    training_clicks_C: Rows | None  # on the item; None where nobody counted them


def by_history_length(these: Circumstances) -> Iterator[SliceRows]:
    return _by_bucket(these.history_length_C)


def by_training_clicks(these: Circumstances) -> Iterator[SliceRows]:
    """None where nobody counted them."""
    clicks_C = these.training_clicks_C
    return iter(()) if clicks_C is None else _by_bucket(clicks_C)


def by_category(these: Circumstances) -> Iterator[SliceRows]:
    """The largest ones, then all others as one."""
    rows = np.bincount(these.category_C, minlength=len(these.categories))
    largest = np.argsort(-rows, kind="stable")[:LARGEST_CATEGORIES]
    for code in largest[rows[largest] > 0]:
        yield SliceRows(these.categories[code] or "(missing)", these.category_C == code)
    other_C = ~np.isin(these.category_C, largest)
    if other_C.any():
        yield SliceRows("(other)", other_C)


def cold_start(these: Circumstances) -> Iterator[SliceRows]:
    """What the vocabulary knows of the candidate, and users without history."""
    item, category = these.item_known_C, these.category_known_C
    yield SliceRows("known item and category", item & category)
    yield SliceRows("known item, unknown category", item & ~category)
    yield SliceRows("unknown item, known category", ~item & category)
    yield SliceRows("unknown item and category", ~item & ~category)
    yield SliceRows("user with history", these.history_length_C > 0)
    yield SliceRows("user without history", these.history_length_C == 0)


def _by_bucket(counts_C: Rows) -> Iterator[SliceRows]:
    for low, high in BUCKETS:
        name = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
        yield SliceRows(name, (counts_C >= low) & (counts_C <= (np.inf if high is None else high)))
