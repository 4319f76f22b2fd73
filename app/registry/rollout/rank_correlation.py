"""Whether two versions put the candidates of a request in the same order: Kendall's tau-b."""

import math

import numpy as np

from app.core.batch import Doubles

MOST_CANDIDATES = 64  # pairs grow with the square; of a longer list these stand for all


def kendall_tau(first_C: Doubles, second_C: Doubles) -> float | None:
    """From -1, the reverse order, to 1, the same; None where there is no order to compare.

    A version that ties all candidates ranks nothing: its correlation with one that does not is 0.
    """
    if len(first_C) > MOST_CANDIDATES:
        chosen = np.linspace(0, len(first_C) - 1, MOST_CANDIDATES).astype(np.int64)
        first_C, second_C = first_C[chosen], second_C[chosen]
    first_CC = np.sign(first_C[:, None] - first_C)
    second_CC = np.sign(second_C[:, None] - second_C)
    ordered_by_first = np.count_nonzero(first_CC)
    ordered_by_second = np.count_nonzero(second_CC)
    if not ordered_by_first and not ordered_by_second:
        return None
    if not ordered_by_first or not ordered_by_second:
        return 0.0
    agreement = float((first_CC * second_CC).sum())
    return agreement / math.sqrt(ordered_by_first * ordered_by_second)
