"""What a signal, the probes, the connections and the exit know of each other."""

import threading
import time

from app.api.heartbeat import Heartbeat

REQUESTS_SHARE = 0.8  # of the grace time, for requests in flight; the rest is for closing
ENGINES_SHARE = 0.9  # and for batches that nobody waits for any more


class Lifecycle:
    """Whether the process was told to stop, and how long it may still take.

    Set by a signal handler and read by several threads: plain values, and no lock to wait for.
    """

    def __init__(self, *, shutdown_delay_s: float, shutdown_grace_s: float) -> None:
        """The delay is a part of the grace time."""
        self._delay_s = min(shutdown_delay_s, REQUESTS_SHARE * shutdown_grace_s)
        self._grace_s = shutdown_grace_s
        self._stopping = threading.Event()
        self._stopped_at_s = 0.0
        self._listens_until_s = 0.0
        self.heartbeat = Heartbeat()
        self.gave_up = False  # something was still under way when the time was over

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Load balancers first get the time to notice."""
        self._stop(delay_s=self._delay_s)

    def stop_unnoticed(self) -> None:
        """There is no load balancer: whoever runs the process has stopped it."""
        self._stop(delay_s=0.0)

    def still_listens_s(self) -> float:
        """Once it stops: how long new connections are accepted all the same."""
        return max(0.0, self._listens_until_s - time.monotonic())

    def remaining_s(self, share: float = 1.0) -> float:
        """Of this share of the grace time; none left is 0."""
        return max(0.0, self._stopped_at_s + share * self._grace_s - time.monotonic())

    def wait_until_stopping(self) -> None:
        self._stopping.wait()

    def _stop(self, *, delay_s: float) -> None:
        if self.is_stopping:
            return
        self._stopped_at_s = time.monotonic()
        self._listens_until_s = self._stopped_at_s + delay_s
        self._stopping.set()
