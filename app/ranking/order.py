"""From logits to probabilities, expected revenue and the order of the answer: pure arithmetic."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.core.batch import Floats
from app.core.request import RankBy

Doubles = NDArray[np.float64]

IMPRESSIONS_PER_MILLE = 1000.0


def ctr_of(logits_C: Floats) -> Doubles:
    """The model's probability of a click, in double precision so that extremes keep their order."""
    with np.errstate(over="ignore"):  # exp(710) is infinite, and its probability is 0
        return 1.0 / (1.0 + np.exp(-logits_C.astype(np.float64)))


def ecpm_of(ctr_C: Doubles, bids: Sequence[float | None]) -> list[float | None]:
    """Expected revenue of a thousand impressions at a price per click; None without a bid."""
    return [
        None if bid is None else IMPRESSIONS_PER_MILLE * bid * ctr
        for bid, ctr in zip(bids, ctr_C.tolist(), strict=True)
    ]


def best_first(
    ctr_C: Doubles, ecpm_C: Sequence[float | None], rank_by: RankBy, top_k: int | None
) -> list[int]:
    """Indices of the candidates in the order of the answer; equal ones keep the request's order."""
    values = ctr_C if rank_by == "ctr" else np.array(ecpm_C, np.float64)
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order[:top_k]
