"""Rows that lie end to end: which of them belong to which sequence."""

import numpy as np

from app.core.batch import Rows

# R sequences


def rows_of_spans(first_R: Rows, lengths_R: Rows) -> Rows:
    """first, first + 1, ... of each span, span after span."""
    ends_R = np.cumsum(lengths_R)
    return np.arange(lengths_R.sum()) + np.repeat(first_R - ends_R + lengths_R, lengths_R)
