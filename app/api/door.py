"""The door of `POST /v1/rank`: by a request's head alone, whether there is time for it."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from prometheus_client import Counter

from app.api.limits import DEADLINE_HEADER, PRIORITY_HEADER, RequestLimits
from app.core.deadline import Deadline
from app.errors import Overloaded
from app.inference.admission import PRIORITIES, Admission, Priority, Ticket
from app.monitoring.histograms import Observations
from app.monitoring.metrics import Metrics

RANK_PATH = "/v1/rank"
NEW_SHARE = 0.05  # of one request in the cost of a byte
MOST_UNREAD = 0.5  # of its budget, that a request is taken to have waited in a socket
SECONDS_BETWEEN_LOGS = 1.0

log = logging.getLogger(__name__)


class Entry(Struct):
    """A request that is inside, to be let out again."""

    ticket: Ticket
    headers: Mapping[bytes, bytes]
    body_bytes: int
    unread_s: float  # for so long it may have waited before it was read


class Door:
    """Lets in whoever can be answered in time, and keeps count.

    Candidates and history are not known yet, so a request is taken to cost what others of as many
    bytes did at the very least; the ranker, which may cut its history, corrects that once it knows.
    To refuse costs no reading of the body.
    """

    def __init__(
        self,
        admission: Admission,
        limits: RequestLimits,
        metrics: Metrics,
        *,
        loop_lag_s: Callable[[], float],
    ) -> None:
        """`loop_lag_s`: how late the event loop has been lately. What it had no time to read has
        waited in a socket as long, and its client's deadline has not."""
        self.metrics = metrics
        self._loop_lag_s = loop_lag_s
        self._admission = admission
        self._limits = limits
        self._seconds_per_byte = 0.0  # until the first is answered, everybody comes in
        self._admitted = {one: metrics.admissions.labels(one, "admitted") for one in PRIORITIES}
        self._refused = {one: metrics.admissions.labels(one, "refused") for one in PRIORITIES}
        self._refused_since_log = 0
        self._logged_at_s = 0.0
        metrics.in_flight.set_function(lambda: admission.in_flight)
        metrics.in_flight_seconds.set_function(lambda: admission.in_flight_s)
        metrics.capacity.set_function(lambda: admission.capacity.per_s)

    def enter(self, headers: Sequence[tuple[bytes, bytes]]) -> Entry:
        """Raises Overloaded. What is wrong with a header is said later, by who reads the body."""
        known = dict(reversed(headers))  # of two of a name the first counts, as it does later
        name = known.get(PRIORITY_HEADER, b"normal").decode("latin-1")
        priority: Priority = name if name in PRIORITIES else "normal"
        body_bytes = _number(known.get(b"content-length"))
        budget_ms = _number(known.get(DEADLINE_HEADER)) or self._limits.default_deadline_ms
        budget_s = min(budget_ms, self._limits.max_deadline_ms) / 1e3
        unread_s = min(self._loop_lag_s(), MOST_UNREAD * budget_s)
        deadline = Deadline.after(budget_s - unread_s)
        try:
            ticket = self._admission.enter(priority, deadline, body_bytes * self._seconds_per_byte)
        except Overloaded:
            self._refused[priority].inc()
            self._log_now_and_then()
            raise
        self._admitted[priority].inc()
        return Entry(ticket, known, int(body_bytes), unread_s)

    def leave(self, entry: Entry, *, computed: bool) -> None:
        """In whatever way it was answered; `computed` by the model."""
        self._admission.leave(entry.ticket, computed=computed)
        if computed and entry.body_bytes:
            seen = entry.ticket.least_cost_s / entry.body_bytes
            share = NEW_SHARE if self._seconds_per_byte else 1.0
            self._seconds_per_byte += share * (seen - self._seconds_per_byte)

    def count_answered_refusal(self, seconds: float) -> None:
        """One that never became a request of the application, which would have counted it."""
        requests, durations, shed = self._of_answered_refusals
        requests.inc()
        durations.observe(seconds)
        shed.inc()

    @cached_property
    def _of_answered_refusals(self) -> tuple[Counter, Observations, Counter]:
        """Looked up once: there are most of them when there is least time."""
        return (
            self.metrics.requests.labels(RANK_PATH, Overloaded.status),
            self.metrics.request_seconds.labels(RANK_PATH),
            self.metrics.shed.labels(Overloaded("").slug),
        )

    def _log_now_and_then(self) -> None:
        """A line for each would cost more than refusing does."""
        self._refused_since_log += 1
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= SECONDS_BETWEEN_LOGS:
            log.warning("requests refused at the door", extra={"count": self._refused_since_log})
            self._refused_since_log, self._logged_at_s = 0, now_s


def _number(text: bytes | None) -> float:
    """0 for what is not a positive number."""
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if 0 < number < float("inf") else 0.0
