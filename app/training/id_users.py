"""Which ids enough users have met, counted chunk by chunk."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.core.keys import Keys
from app.training.columns import Codes, IdColumn

# R rows of a column, D distinct ids of it, I ids of all columns, P (id, user) pairs


class IdUsers:
    """Exact, in memory for all ids and fewer than `enough` users of each: whom else an id that has
    enough was met by is of no interest.
    """

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._codes: dict[str, int] = {}
        self._is_known_I = np.zeros(0, bool)
        self._id_P: Codes = np.zeros(0, np.int64)
        self._user_P: Keys = np.zeros(0, np.uint64)

    def add(self, column: IdColumn, user_R: Keys) -> None:
        """`user_R`: beside each row of the column, the key of its user."""
        code_D = [self._codes.setdefault(raw_id, len(self._codes)) for raw_id in column.distinct]
        is_new_I = np.zeros(len(self._codes) - len(self._is_known_I), bool)
        self._is_known_I = np.concatenate([self._is_known_I, is_new_I])
        id_R = np.array(code_D, np.int64)[column.codes_R]
        open_R = ~self._is_known_I[id_R]
        id_P = np.concatenate([self._id_P, id_R[open_R]])
        user_P = np.concatenate([self._user_P, user_R[open_R]])
        self._keep(*_distinct(id_P, user_P))

    def known(self) -> Iterator[str]:
        """In the order in which they came."""
        return (raw_id for raw_id, code in self._codes.items() if self._is_known_I[code])

    def _keep(self, id_P: Codes, user_P: Keys) -> None:
        users_I = np.bincount(id_P, minlength=len(self._is_known_I))
        self._is_known_I |= users_I >= self._enough
        open_P = ~self._is_known_I[id_P]
        self._id_P, self._user_P = id_P[open_P], user_P[open_P]


def _distinct(id_P: Codes, user_P: Keys) -> tuple[Codes, Keys]:
    order = np.lexsort((user_P, id_P))
    id_P, user_P = id_P[order], user_P[order]
    is_first: NDArray[np.bool_] = np.ones(len(id_P), bool)
    is_first[1:] = (id_P[1:] != id_P[:-1]) | (user_P[1:] != user_P[:-1])
    return id_P[is_first], user_P[is_first]
