"""How often a server may be connected to: a server in trouble is not helped by a storm."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 1.0


class ConnectBudget:
    """No more than `per_second` attempts within any second."""

    def __init__(self, per_second: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts_s: deque[float] = deque(maxlen=per_second)  # the latest, oldest first
        self._clock = clock

    def take(self) -> bool:
        """Whether one more attempt may be made now; if so, it is counted."""
        now_s = self._clock()
        if self._room_in_s(now_s) > 0:
            return False
        self._attempts_s.append(now_s)
        return True

    def room_in_s(self) -> float:
        """Until one more attempt may be made; 0 where one may be made now."""
        return self._room_in_s(self._clock())

    def _room_in_s(self, now_s: float) -> float:
        if len(self._attempts_s) < (self._attempts_s.maxlen or 0):
            return 0.0
        return max(0.0, WINDOW_S - (now_s - self._attempts_s[0]))
