"""Who may come in: the work in flight, what is finished per second, and how much time there is.

By Little's law a request waits for the work ahead of it divided by what is finished per second. It
comes in if that leaves it enough of its time. Where Netflix's concurrency limits infer a limit from
latencies alone, deadlines and predicted costs are known here, so the limit is the deadline's own.
"""

import math
import time
from collections.abc import Callable
from typing import Literal, get_args

from msgspec import Struct

from app.core.deadline import Deadline
from app.errors import Overloaded
from app.inference.capacity import Capacity

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

# How much of a request's time the work ahead and its own may take. What is left is for features,
# rendering and errors of prediction; the steps between them are room for who is more important.
SHARES: dict[Priority, float] = {"high": 0.65, "normal": 0.5, "low": 0.35}
GUARANTEED_SHARE = 0.08  # that a priority always has, so that none starves
# Of who is in, whatever its priority: its features need no time any more, and to refuse it now
# would waste what has been done for it.
SHARE_ONCE_IN = 0.85


class Ticket(Struct, eq=False):
    """A request that came in; its cost is a guess until its candidates and history are known."""

    priority: Priority
    deadline: Deadline
    cost_s: float
    least_cost_s: float = 0.0  # of the shortest history that it could be answered with


class Admission:
    """The work of this process that has come in and not been answered yet."""

    def __init__(self, *, threads: int, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.capacity = Capacity(threads, saturating_jobs=2 * threads, monotonic_s=monotonic_s)
        self._monotonic_s = monotonic_s
        self._tickets: set[Ticket] = set()
        self._owed_s = dict.fromkeys(PRIORITIES, 0.0)  # compute of those who are in

    @property
    def in_flight(self) -> int:
        """Requests that are in."""
        return len(self._tickets)

    @property
    def in_flight_s(self) -> float:
        """Seconds of compute that they are still owed."""
        return sum(self._owed_s.values())

    def enter(self, priority: Priority, deadline: Deadline, cost_s: float) -> Ticket:
        """Must be given back to `leave`. Raises Overloaded."""
        ticket = Ticket(priority, deadline, cost_s)
        self._check(ticket, SHARES[priority])
        self._tickets.add(ticket)
        self._owed_s[priority] += cost_s
        self.capacity.in_flight(len(self._tickets))
        return ticket

    def now_costs(self, ticket: Ticket, cost_s: float) -> None:
        """More is known of a request that is in."""
        if ticket in self._tickets:
            self._owed_s[ticket.priority] += cost_s - ticket.cost_s
        ticket.cost_s = cost_s

    def check(self, ticket: Ticket) -> None:
        """Whether one that is in can still make its deadline. Raises Overloaded."""
        self._check(ticket, SHARE_ONCE_IN)

    def fits(self, ticket: Ticket, part: float) -> bool:
        """Whether this part of its priority's share has room for it and what is due before it."""
        return self._too_much_ahead_s(ticket, part * SHARES[ticket.priority]) is None

    def leave(self, ticket: Ticket, *, computed: bool) -> None:
        """It was answered, refused or given up; a second time does nothing."""
        if ticket not in self._tickets:
            return
        self._tickets.remove(ticket)
        self._owed_s[ticket.priority] -= ticket.cost_s
        if not self._tickets:
            self._owed_s = dict.fromkeys(PRIORITIES, 0.0)  # rounding does not add up
        if computed:
            self.capacity.finished(ticket.cost_s)
        self.capacity.in_flight(len(self._tickets))

    def _check(self, ticket: Ticket, share: float) -> None:
        ahead_s = self._too_much_ahead_s(ticket, share)
        if ahead_s is None or self._is_guaranteed(ticket, ahead_s):
            return
        raise Overloaded(
            f"{ahead_s:.3f} s of work are ahead, too much for the "
            f"{max(0.0, self._remaining_s(ticket)):.3f} s that are left to this request",
            retry_after_s=max(1, math.ceil(self.in_flight_s / self.capacity.per_s)),
        )

    def _too_much_ahead_s(self, ticket: Ticket, share: float) -> float | None:
        """What is due before it, if that and itself take more than this share of its time."""
        is_in = ticket in self._tickets
        if len(self._tickets) == is_in:
            return None  # whatever was predicted: an idle service tries, and learns
        room_s = share * self._possible_s(ticket) - ticket.cost_s
        if self.in_flight_s - is_in * ticket.cost_s <= room_s:
            return None
        ahead_s = self._ahead_s(ticket)
        return None if ahead_s <= room_s else ahead_s

    def _is_guaranteed(self, ticket: Ticket, ahead_s: float) -> bool:
        possible_s = self._possible_s(ticket)
        own_s = self._owed_s[ticket.priority] + (ticket not in self._tickets) * ticket.cost_s
        return own_s <= GUARANTEED_SHARE * possible_s and ahead_s + ticket.cost_s <= possible_s

    def _possible_s(self, ticket: Ticket) -> float:
        """Seconds of compute that can be done in the time that is left to it."""
        return max(0.0, self._remaining_s(ticket)) * self.capacity.per_s

    def _ahead_s(self, ticket: Ticket) -> float:
        """Work that is due before it, as the batcher takes the earliest deadline first."""
        at_s = ticket.deadline.at_s
        return sum(
            [
                other.cost_s
                for other in self._tickets
                if other.deadline.at_s <= at_s and other is not ticket
            ]
        )

    def _remaining_s(self, ticket: Ticket) -> float:
        return ticket.deadline.at_s - self._monotonic_s()
