"""What one request may cost before anything is computed, and the headers that speak of it."""

from dataclasses import dataclass

DEADLINE_HEADER = b"x-deadline-ms"
PRIORITY_HEADER = b"x-priority"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bounds of every request."""

    max_body_bytes: int
    body_timeout_s: float
    default_deadline_ms: float
    max_deadline_ms: float
