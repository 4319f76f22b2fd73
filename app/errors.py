"""Every error the service answers with, each with its HTTP status, and those that stop it early.

CtrError                    answered as RFC 9457 problem details
  MalformedRequest    400
  AdminKeyMissing     401
  AdminKeyRefused     403
  UnknownModel        404
  UnknownVersion      404
  UnknownLabel        404
  VersionRefused      409   the one line why
  SwapRefused         409
  LabelRefused        409
  BodyTooLarge        413
  InvalidRequest      422   names the fields
  Overloaded          429   says when to come back
  NotReady            503
  EngineFailed        503
    NotNumbers              what it computed is not a number
  DeadlineExceeded    504
  NotStored           507
StartupRefused              the process says why in one line and exits
  ArtifactRefused           a version in the model store cannot be trusted
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class CtrError(Exception):
    """An error that a client can act on."""

    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def slug(self) -> str:
        """The stable, machine-readable name: `urn:ctr-serve:<slug>` and the metrics' `reason`."""
        return self.title.lower().replace(" ", "-")


class MalformedRequest(CtrError):
    """The body is not JSON, or not all of it arrived."""

    status = 400
    title = "Malformed request"


class UnknownModel(CtrError):
    """No model of that name is served."""

    status = 404
    title = "Unknown model"


class UnknownVersion(CtrError):
    """The model store has no such version, or a request asks for one that is not loaded."""

    status = 404
    title = "Unknown version"


class UnknownLabel(CtrError):
    """The model has no such label."""

    status = 404
    title = "Unknown label"


class VersionRefused(CtrError):
    """The version cannot be trusted or loaded; what was served before still is."""

    status = 409
    title = "Version refused"


class SwapRefused(CtrError):
    """What is served cannot change like this now; the detail says what to do instead."""

    status = 409
    title = "Swap refused"


class LabelRefused(CtrError):
    """No label can point there now."""

    status = 409
    title = "Label refused"


class NotStored(CtrError):
    """The model store cannot be read or written to, so nothing was changed."""

    status = 507
    title = "Not stored"


class AdminKeyMissing(CtrError):
    """The request shows no admin key."""

    status = 401
    title = "Admin key missing"


class AdminKeyRefused(CtrError):
    """The request shows a wrong admin key, or the service has none."""

    status = 403
    title = "Admin key refused"


class BodyTooLarge(CtrError):
    """The body is larger than the service reads."""

    status = 413
    title = "Body too large"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that cannot be accepted, and why."""

    field: str
    message: str


class InvalidRequest(CtrError):
    """The body is JSON, but some of its fields cannot be accepted."""

    status = 422
    title = "Invalid request"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors[:5]))


class Overloaded(CtrError):
    """The queue is full: refused before any work was spent."""

    status = 429
    title = "Overloaded"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotReady(CtrError):
    """The service is loading or draining."""

    status = 503
    title = "Not ready"


class EngineFailed(CtrError):
    """The model could not compute this request; the log says why."""

    status = 503
    title = "Engine failed"


class NotNumbers(EngineFailed):
    """The model said something of this request that is not a number."""


class DeadlineExceeded(CtrError):
    """The request's time is up before its scores were there."""

    status = 504
    title = "Deadline exceeded"


class StartupRefused(Exception):
    """The process must not start like this; the message is one line that says what to do."""


class ArtifactRefused(StartupRefused):
    """A model version is damaged, foreign or does not reproduce its golden scores."""


def one_line(text: object) -> str:
    """Messages of libraries have line breaks, and every reason here is one line."""
    return " ".join(str(text).split())
