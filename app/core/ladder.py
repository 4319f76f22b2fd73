"""The ladder of degraded answers: its rungs, and the fixed lengths that histories are cut to."""

from typing import get_args

from app.core.request import Degradation

# From the least to the most that is missing: of several, an answer names the last.
RUNGS: tuple[Degradation, ...] = get_args(Degradation)

# Few and fixed, so that what each of them costs in quality is measured when a version is published.
CUT_DIVISORS = (2, 4)


def truncated_lengths(max_behaviors: int) -> tuple[int, ...]:
    """How many of the newest behaviors `truncated_history` may leave, most first."""
    lengths = (max_behaviors // divisor for divisor in CUT_DIVISORS)
    return tuple(dict.fromkeys(length for length in lengths if length > 0))
