"""The histories that were read lately: what a request goes by while Redis does not answer."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from app.core.request import BehaviorSequence
from app.features.behavior_codec import HEADER, RECORD
from app.monitoring.metrics import Metrics

# What Python takes for one history beside its records: two arrays, their base, text and entry.
OVERHEAD_BYTES = 700


class RecentHistories:
    """Bounded in bytes and in age. Whoever was read longest ago is forgotten first.

    Written after every round trip, read only when one failed.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        max_bytes: int,
        max_age_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        # In the order of their reads, so that the first is the oldest.
        self._copies: OrderedDict[str, tuple[BehaviorSequence, float]] = OrderedDict()
        self._bytes = 0
        self._memory = metrics.history_copy_bytes
        self._lookups = metrics.history_copy_lookups
        self._ages = metrics.history_copy_age_seconds

    def remember(self, reads: Iterable[tuple[str, BehaviorSequence | None]]) -> None:
        """What Redis answered for each user; None where it holds nothing that could be used."""
        if not self._max_bytes:
            return
        now_s = self._clock()
        for user_id, behaviors in reads:
            self._forget(user_id)
            if behaviors is not None:
                self._copies[user_id] = (behaviors, now_s)
                self._bytes += _bytes_of(user_id, behaviors)
        self._forget_oldest(now_s)
        self._memory.set(self._bytes)

    def recall(self, user_id: str) -> BehaviorSequence | None:
        """The user's history as it was read last, unless that is too long ago."""
        behaviors, read_at_s = self._copies.get(user_id, (None, 0.0))
        age_s = self._clock() - read_at_s
        if behaviors is None or age_s > self._max_age_s:
            self._lookups.labels("miss" if behaviors is None else "too_old").inc()
            return None
        self._lookups.labels("hit").inc()
        self._ages.observe(age_s)
        return behaviors

    def _forget_oldest(self, now_s: float) -> None:
        while self._copies:
            user_id, (_, read_at_s) = next(iter(self._copies.items()))
            if self._bytes <= self._max_bytes and now_s - read_at_s <= self._max_age_s:
                return
            self._forget(user_id)

    def _forget(self, user_id: str) -> None:
        copy = self._copies.pop(user_id, None)
        if copy is not None:
            self._bytes -= _bytes_of(user_id, copy[0])


def _bytes_of(user_id: str, behaviors: BehaviorSequence) -> int:
    id_bytes = 4 * len(user_id)  # at most, whatever its letters
    return OVERHEAD_BYTES + id_bytes + HEADER.size + len(behaviors) * RECORD.itemsize
