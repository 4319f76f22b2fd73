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
        is_full = len(self._attempts_s) == self._attempts_s.maxlen
        if is_full and now_s - self._attempts_s[0] < WINDOW_S:
            return False
        self._attempts_s.append(now_s)
        return True
