"""From CTRs and bids to expected revenue and the order of the answer: pure arithmetic."""

from collections.abc import Sequence

import numpy as np

from app.core.batch import Doubles
from app.core.request import RankBy

IMPRESSIONS_PER_MILLE = 1000.0


def ecpm_of(ctrs: Sequence[float], bids: Sequence[float | None]) -> list[float | None]:
    """Expected revenue of a thousand impressions at a price per click; None without a bid."""
    return [
        None if bid is None else IMPRESSIONS_PER_MILLE * bid * ctr
        for bid, ctr in zip(bids, ctrs, strict=True)
    ]


def best_first(
    ctr_C: Doubles, ecpms: Sequence[float | None], rank_by: RankBy, top_k: int | None
) -> list[int]:
    """Indices of the candidates in the order of the answer; equal ones keep the request's order."""
    values = ctr_C if rank_by == "ctr" else np.array(ecpms, np.float64)
    order: list[int] = (-values).argsort(kind="stable").tolist()
    return order[:top_k]
