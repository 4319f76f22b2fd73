"""Columns as training holds them: ids by code, so that work is done once per distinct id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.core.keys import Keys, keys_of

# R rows, D distinct ids

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IdColumn:
    """The distinct ids once, in the order they appear, and which of them each row has."""

    distinct: Sequence[str]
    codes_R: Codes

    @classmethod
    def of(cls, ids: pl.Series) -> "IdColumn":
        distinct = ids.unique(maintain_order=True)
        codes = pl.Series(np.arange(len(distinct)))
        # The cast is for a column without rows, whose codes would be text.
        codes_R = ids.replace_strict(distinct, codes).cast(pl.Int64)
        return cls(distinct.to_list(), codes_R.to_numpy())

    def __len__(self) -> int:
        return len(self.codes_R)

    def __getitem__(self, rows: slice) -> list[str]:
        """The raw ids of some rows."""
        return [self.distinct[code] for code in self.codes_R[rows]]

    def distinct_keys(self) -> Keys:
        return keys_of(self.distinct)


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of R rows by field name; a number that is missing is NaN."""

    rows: int
    ids: Mapping[str, IdColumn]
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
