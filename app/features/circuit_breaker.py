"""Whether a server is worth asking at all: after failures in a row nobody waits for it any more.

closed      every question is asked
open        none is; one probe at a time finds out when the server answers again
half_open   questions are asked again; the first success closes the circuit, a failure opens it
"""

import random
from collections.abc import Callable
from enum import IntEnum

FAILURES_TO_OPEN = 5
FIRST_PROBE_S = 0.05
LONGEST_PAUSE_S = 0.4  # between probes, so that a server that is back is found within a second
JITTER = 0.25  # replicas that lost a server together do not come back together


class Circuit(IntEnum):
    """The states, in the order of the metric's values."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitBreaker:
    """Counts what it is told; knows neither sockets nor clocks."""

    def __init__(
        self,
        on_change: Callable[[Circuit], None],
        *,
        failures_to_open: int = FAILURES_TO_OPEN,
        jitter: Callable[[], float] = lambda: random.uniform(1 - JITTER, 1 + JITTER),  # noqa: S311
    ) -> None:
        self._on_change = on_change
        self._failures_to_open = failures_to_open
        self._jitter = jitter
        self._failures_in_a_row = 0
        self._pauses = 0  # since the circuit was last closed
        self.state = Circuit.CLOSED

    def succeeded(self) -> None:
        """A question was answered; of no weight where it was asked before the circuit opened."""
        if self.state is Circuit.OPEN:
            return
        self._failures_in_a_row = 0
        self._pauses = 0
        self._become(Circuit.CLOSED)

    def failed(self) -> None:
        """A question was not answered."""
        self._failures_in_a_row += 1
        if self.state is Circuit.HALF_OPEN or self._failures_in_a_row >= self._failures_to_open:
            self._become(Circuit.OPEN)

    def probe_succeeded(self) -> None:
        self._become(Circuit.HALF_OPEN)

    def next_pause_s(self) -> float:
        """How long to wait before the next probe: twice as long each time, to a bound."""
        pause_s = min(LONGEST_PAUSE_S, FIRST_PROBE_S * 2.0**self._pauses)
        self._pauses = min(self._pauses + 1, 10)
        return pause_s * self._jitter()

    def _become(self, state: Circuit) -> None:
        if state is not self.state:
            self.state = state
            self._on_change(state)
