"""The impression log: who was shown what and when, its true CTR, and whether it was clicked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# N impressions, K clicks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ImpressionLog:
    """Impressions user after user, in strict time order within a user."""

    user_N: Ints
    item_N: Ints
    timestamp_N: Ints  # unix seconds
    true_ctr_N: Floats  # (0, 1), at that moment
    clicked_N: Bools  # drawn from true_ctr_N

    def __len__(self) -> int:
        return len(self.user_N)

    def clicks(self) -> Ints:
        """Rows [K] of the clicked impressions, in the order of the log."""
        return np.flatnonzero(self.clicked_N)

    def history_ranges(self, max_history: int) -> tuple[Ints, Ints]:
        """Which of `clicks()` are the history of every impression: from first [N] to end [N].

        The newest `max_history` clicks of the same user that are strictly earlier.
        """
        end_N: Ints = np.cumsum(self.clicked_N) - self.clicked_N
        first_of_user_N: Ints = end_N[np.searchsorted(self.user_N, self.user_N)]
        return np.maximum(first_of_user_N, end_N - max_history), end_N


def gather_log(days: Sequence[ImpressionLog]) -> ImpressionLog:
    """One log of the logs of many days."""
    user_N = np.concatenate([day.user_N for day in days])
    timestamp_N = np.concatenate([day.timestamp_N for day in days])
    order_N = np.lexsort((timestamp_N, user_N))
    return ImpressionLog(
        user_N=user_N[order_N],
        item_N=np.concatenate([day.item_N for day in days])[order_N],
        timestamp_N=timestamp_N[order_N],
        true_ctr_N=np.concatenate([day.true_ctr_N for day in days])[order_N],
        clicked_N=np.concatenate([day.clicked_N for day in days])[order_N],
    )
