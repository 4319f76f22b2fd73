"""What can go wrong with Redis, and the few words for it in answers and metrics."""

from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

REDIS_ERRORS = (RedisError, OSError)  # what a question to Redis raises

# Reasons that say nothing of the value itself: it may well be as it was.
NOT_ANSWERED = frozenset({"timeout", "unreachable", "circuit_open", "redis_error"})


class CircuitOpen(RedisError):
    """The server was not asked, because it did not answer lately."""


class HeldBack(RedisUnreachable):
    """We connected to the server so often that we may not now, which says nothing about it."""


class LoginRefused(RedisError):
    """The server answers, but not to us: a wrong password, user or database."""


def reason_of(error: Exception) -> str:
    """A metrics label: few values, whatever Redis says."""
    if isinstance(error, CircuitOpen):
        return "circuit_open"
    if isinstance(error, RedisTimeout | TimeoutError):
        return "timeout"
    if "WRONGTYPE" in str(error):
        return "wrong_type"
    return "unreachable" if isinstance(error, RedisUnreachable | OSError) else "redis_error"


def is_alive(reply: object) -> bool:
    """Whether the reply to a PING says that questions will be answered: not while it loads."""
    return not (isinstance(reply, ResponseError) and str(reply).startswith("LOADING"))
