"""States of users that came before: exact, bounded in bytes, and good for one version only."""

import threading
from collections import OrderedDict
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from app.kernels.addresses import address_of
from app.monitoring.metrics import Metrics

ENTRY_BYTES: Final = 400  # of Python objects beside the arrays
FORGOTTEN_TOGETHER: Final = 100


class UserStates(Struct, frozen=True):
    """What the kernel made of a history; the rows are its exact key."""

    rows: bytes  # int64 table rows of the behaviors, oldest first
    states: NDArray[np.float32]
    address: int  # of the states

    @classmethod
    def of(cls, rows: bytes, states: NDArray[np.float32]) -> "UserStates":
        return cls(rows, states, address_of(states))

    @property
    def bytes(self) -> int:
        return len(self.rows) + self.states.nbytes + ENTRY_BYTES


class UserStateCache:
    """The least recently used states leave first; safe to use from many threads."""

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._users: OrderedDict[tuple[str, str], UserStates] = OrderedDict()
        self._lock = threading.Lock()
        lookups = metrics.user_state_lookups
        self._hit, self._extended, self._miss = map(lookups.labels, ("hit", "extended", "miss"))
        metrics.user_state_bytes.set_function(lambda: self._bytes)

    def find(self, version: str, user_id: str, rows: bytes) -> UserStates | None:
        """States of these behaviors, or of the first of them; None if there is nothing to use."""
        key = (version, user_id)
        with self._lock:
            found = self._users.get(key)
            if found is not None:
                self._users.move_to_end(key)
        if found is None or not rows.startswith(found.rows):
            self._miss.inc()
            return None
        (self._hit if len(found.rows) == len(rows) else self._extended).inc()
        return found

    def keep(self, version: str, user_id: str, states: UserStates) -> None:
        """Instead of what was kept of this user before."""
        if states.bytes > self._max_bytes:
            return
        key = (version, user_id)
        with self._lock:
            self._take_out(key)
            self._users[key] = states
            self._bytes += states.bytes
            while self._bytes > self._max_bytes:
                self._take_out(next(iter(self._users)))

    def forget(self, version: str) -> None:
        """Of a version that takes no more traffic; in steps, so that nobody waits for long."""
        with self._lock:
            keys = [key for key in self._users if key[0] == version]
        for first in range(0, len(keys), FORGOTTEN_TOGETHER):
            with self._lock:
                for key in keys[first : first + FORGOTTEN_TOGETHER]:
                    self._take_out(key)

    def _take_out(self, key: tuple[str, str]) -> None:
        found = self._users.pop(key, None)
        if found is not None:
            self._bytes -= found.bytes
