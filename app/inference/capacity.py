"""How much predicted compute is finished per second when there is always more to do."""

from collections.abc import Callable

WINDOW_S = 0.2
LEAST_DONE = 8  # jobs in a window that tells something
NEW_SHARE = 0.3
RECOVERY_PER_S = 0.05  # towards the start, while nothing is learned


class Capacity:
    """Seconds of compute per second, as many as there are threads until more is known: less when
    CPUs are busy with other things too, be it the event loop or a neighbor, and more where a batch
    takes less time than its requests one by one, as on a GPU.

    It is learned only while at least `saturating_jobs` are in flight, from windows in which there
    were never fewer: an idle service says nothing about what it could do.
    """

    def __init__(
        self, threads: int, *, saturating_jobs: int, monotonic_s: Callable[[], float]
    ) -> None:
        self.per_s = float(threads)
        self._threads = threads
        self._saturating_jobs = saturating_jobs
        self._monotonic_s = monotonic_s
        self._done_s = 0.0
        self._done = 0
        self._since_s: float | None = None  # since when there has been enough to do
        self._learned_at_s = monotonic_s()

    def in_flight(self, jobs: int) -> None:
        """So many are under way from now on."""
        if jobs < self._saturating_jobs:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = self._monotonic_s()
            self._done_s, self._done = 0.0, 0

    def finished(self, cost_s: float) -> None:
        """A job whose compute was predicted to take that long is done."""
        now_s = self._monotonic_s()
        if self._since_s is None:
            self._recover(now_s)
            return
        self._done_s += cost_s
        self._done += 1
        elapsed_s = now_s - self._since_s
        if elapsed_s >= WINDOW_S and self._done >= LEAST_DONE:
            self.per_s += NEW_SHARE * (self._done_s / elapsed_s - self.per_s)
            self._since_s, self._learned_at_s = now_s, now_s
            self._done_s, self._done = 0.0, 0

    def _recover(self, now_s: float) -> None:
        share = min(1.0, RECOVERY_PER_S * (now_s - self._learned_at_s))
        self.per_s += share * max(0.0, self._threads - self.per_s)
        self._learned_at_s = now_s
