"""Where CTRs are too high or too low: rows of like predictions beside what they came to."""

from dataclasses import dataclass

import numpy as np

from app.training.evaluation import bins_of_equal_mass
from app.training.quality.scored_rows import ScoredRows

# C candidates, B bins


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose predictions lie between the lowest and the highest, both included."""

    rows: int
    lowest: float
    highest: float
    predicted: float  # their mean
    observed: float  # the share that was clicked


def reliability(rows: ScoredRows, *, bins: int) -> tuple[ReliabilityBin, ...]:
    """The bins of the ECE, from low to high; those that equal predictions left empty are left out.

    Murphy and Winkler 1977.
    """
    bin_C = bins_of_equal_mass(rows.ctr_C, bins)
    table = []
    for index in np.unique(bin_C):
        ctr, clicked = rows.ctr_C[bin_C == index], rows.clicked_C[bin_C == index]
        table.append(
            ReliabilityBin(
                rows=len(ctr),
                lowest=float(ctr.min()),
                highest=float(ctr.max()),
                predicted=float(ctr.mean()),
                observed=float(clicked.mean()),
            )
        )
    return tuple(table)


def ece_if_honest(rows: ScoredRows, *, bins: int) -> float:
    """About the ECE that these predictions would have if every one were the true CTR.

    The clicks of a bin then deviate by chance, with a standard deviation of
    sqrt(sum p (1 - p)), of which sqrt(2 / pi) is the mean without its sign.
    """
    variances_C = rows.ctr_C * (1 - rows.ctr_C)
    variances_B = np.bincount(bins_of_equal_mass(rows.ctr_C, bins), variances_C)
    return float(np.sqrt(2 / np.pi * variances_B).sum() / len(rows))
