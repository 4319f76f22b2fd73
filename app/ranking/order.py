"""From CTRs and bids to expected revenue and the order of the answer: pure arithmetic."""

from collections.abc import Sequence

import numpy as np

from app.core.batch import Doubles
from app.core.request import RankBy

IMPRESSIONS_PER_MILLE = 1000.0


def ecpm_of(ctr_C: Doubles, bids: Sequence[float | None]) -> list[float | None]:
    """Expected revenue of a thousand impressions at a price per click; None without a bid."""
    bid_C = np.array(bids, np.float64)  # no bid is no number there
    ecpm_C: list[float | None] = (IMPRESSIONS_PER_MILLE * bid_C * ctr_C).tolist()
    if np.isnan(bid_C).any():
        return [None if bid is None else ecpm for bid, ecpm in zip(bids, ecpm_C, strict=True)]
    return ecpm_C


def best_first(
    ctr_C: Doubles, ecpm_C: Sequence[float | None], rank_by: RankBy, top_k: int | None
) -> list[int]:
    """Indices of the candidates in the order of the answer; equal ones keep the request's order."""
    values = ctr_C if rank_by == "ctr" else np.array(ecpm_C, np.float64)
    order: list[int] = (-values).argsort(kind="stable").tolist()
    return order[:top_k]
