"""The beat of the event loop: how late it comes, and for how long it has not come."""

import asyncio
import time
from contextlib import suppress

from app.monitoring.histograms import Histogram

BEAT_EVERY_S = 0.02
REMEMBERED = 0.7  # of the last lag, one beat later


class Heartbeat:
    """Beats on the event loop; any thread may ask how it is."""

    def __init__(self) -> None:
        self._due_s: float | None = None  # None while no loop is meant to run
        self._recent_lag_s = 0.0

    async def beat(self, lag_seconds: Histogram) -> None:
        """Until it is cancelled."""
        with suppress(asyncio.CancelledError):
            while True:
                self._due_s = time.monotonic() + BEAT_EVERY_S
                await asyncio.sleep(BEAT_EVERY_S)
                lag_s = max(0.0, time.monotonic() - self._due_s)
                lag_seconds.observe(lag_s)
                self._recent_lag_s = max(lag_s, REMEMBERED * self._recent_lag_s)
        self._due_s = None

    def recent_lag_s(self) -> float:
        """The longest lag of the last tenth of a second, and less of those before: for so long may
        something have been ready before the loop looks at it."""
        return self._recent_lag_s

    def blocked_s(self) -> float:
        """For how long the next beat has been due."""
        due_s = self._due_s
        return 0.0 if due_s is None else max(0.0, time.monotonic() - due_s)
