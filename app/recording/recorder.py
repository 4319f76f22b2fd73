"""Writes a share of the scored requests down, on a thread of its own that nobody waits for."""

import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from queue import Full, Queue
from typing import Literal

from app.core.batch import Floats
from app.core.request import Candidates, UserContext
from app.monitoring.metrics import Metrics
from app.recording.record_files import RecordFiles
from app.recording.recorded_request import Origin, recorded
from app.recording.recorded_shapes import Shape, recent_shapes

Outcome = Literal["written", "queue_full", "not_written"]

MOST_WAITING = 256  # requests; the thread writes thousands in a second
CLOSING_S = 5.0
PSEUDONYM_BYTES = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scored:
    """A request that is to be written down."""

    origin: Origin
    user: UserContext
    candidates: Candidates
    logits_C: Floats
    user_row_of: Callable[[str], int | None]
    at: datetime


class Recorder:
    """`record` costs the event loop a draw, and a place in a queue for those that are drawn."""

    def __init__(self, files: RecordFiles, metrics: Metrics, *, share: float, key: bytes) -> None:
        """`key` makes a user's pseudonym; whoever does not know it cannot tell who it is."""
        self._files = files
        self._share = share
        self._key = key
        self._random = random.Random()  # noqa: S311 - who is drawn is no secret
        self._outcomes = metrics.recorded_requests
        self._folder_bytes = metrics.record_folder_bytes
        self._waiting: Queue[Scored | None] = Queue(MOST_WAITING)
        self._writes = True
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def record(
        self,
        origin: Origin,
        user: UserContext,
        candidates: Candidates,
        logits_C: Floats,
        user_row_of: Callable[[str], int | None],
    ) -> None:
        """Never blocks and never raises."""
        if self._random.random() >= self._share:
            return
        scored = Scored(origin, user, candidates, logits_C, user_row_of, datetime.now(UTC))
        try:
            self._waiting.put_nowait(scored)
        except Full:
            self._count("queue_full")

    def recent_shapes(self, model: str) -> list[Shape]:
        """A few, of requests to a model, before a restart too. Reads files, so it takes a while."""
        return recent_shapes(self._files.folder, model)

    def close(self) -> None:
        """Writes what is waiting, for a few seconds at most."""
        with suppress(Full):  # of a disk that hangs
            self._waiting.put(None, timeout=CLOSING_S)
        self._thread.join(CLOSING_S)

    def _write_all(self) -> None:
        with self._files:
            while (scored := self._waiting.get()) is not None:
                self._write(scored)

    def _write(self, scored: Scored) -> None:
        try:
            self._files.append(self._line_of(scored))
            self._folder_bytes.set(self._files.folder_bytes)
        except Exception as error:
            # A full disk, a number that JSON has no room for: no reason to stop recording.
            self._count("not_written")
            if self._writes:
                log.exception("a request was not recorded", extra={"reason": type(error).__name__})
            self._writes = False
        else:
            self._count("written")
            self._writes = True

    def _line_of(self, scored: Scored) -> bytes:
        user_id = scored.user.user_id
        return recorded(
            scored.origin,
            scored.user,
            scored.candidates,
            scored.logits_C,
            recorded_at=scored.at.isoformat(timespec="milliseconds"),
            pseudonym=pseudonym_of(user_id, self._key),
            user_row=scored.user_row_of(user_id),
        ).to_line()

    def _count(self, outcome: Outcome) -> None:
        self._outcomes.labels(outcome).inc()


def pseudonym_of(user_id: str, key: bytes) -> str:
    """The same for the same user and key."""
    return blake2b(user_id.encode(), key=key, digest_size=PSEUDONYM_BYTES).hexdigest()
