"""How often each distinct ad was a candidate of training, and how often it was clicked."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, Rows

# C candidates, G distinct ads among them, F behavior fields


@dataclass(frozen=True, slots=True)
class CandidateCounts:
    """An ad is what its behavior fields say: an item, and the category it was shown in."""

    rows_GF: Rows
    clicks_G: Rows
    others_G: Rows  # candidates that were not clicked

    @classmethod
    def of(cls, rows_CF: Rows, labels_C: Floats) -> "CandidateCounts":
        rows_GF, ad_C = _distinct(rows_CF)
        clicked = labels_C > 0
        return cls(
            rows_GF,
            np.bincount(ad_C[clicked], minlength=len(rows_GF)),
            np.bincount(ad_C[~clicked], minlength=len(rows_GF)),
        )

    @classmethod
    def total(cls, parts: Iterable["CandidateCounts"]) -> "CandidateCounts":
        """Of at least one part."""
        parts = list(parts)
        rows_GF, ad = _distinct(np.concatenate([part.rows_GF for part in parts]))
        clicks_G, others_G = np.zeros((2, len(rows_GF)), np.int64)
        np.add.at(clicks_G, ad, np.concatenate([part.clicks_G for part in parts]))
        np.add.at(others_G, ad, np.concatenate([part.others_G for part in parts]))
        return cls(rows_GF, clicks_G, others_G)


def _distinct(rows_CF: Rows) -> tuple[Rows, Rows]:
    """Distinct rows in rising order, and which each is; they are sorted as single numbers."""
    sizes = rows_CF.max(axis=0, initial=0) + 1
    numbers_C = np.ravel_multi_index(tuple(rows_CF.T), tuple(sizes))
    distinct_G, ad_C = np.unique(numbers_C, return_inverse=True)
    return np.stack(np.unravel_index(distinct_G, tuple(sizes)), axis=1), ad_C
