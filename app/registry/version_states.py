"""What has become of each version: in memory, on its way there or out, or refused and why."""

from dataclasses import dataclass
from enum import StrEnum

from app.monitoring.metrics import Metrics


class VersionState(StrEnum):
    """STORED is a version that nobody has asked for: it takes no memory."""

    STORED = "STORED"
    LOADING = "LOADING"
    READY = "READY"  # loaded, self-tested and warm, but not active
    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"  # answers whoever holds it, then it is gone
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class VersionKey:
    """One version of one model."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A state, and the one line why where it is REFUSED."""

    state: VersionState
    reason: str | None = None


STORED = VersionStatus(VersionState.STORED)


class VersionStates:
    """The states of all versions but the stored ones, as the metrics show them."""

    def __init__(self, metrics: Metrics) -> None:
        self._shown = metrics.version_state
        self._known: dict[VersionKey, VersionStatus] = {}

    def of(self, key: VersionKey) -> VersionStatus:
        return self._known.get(key, STORED)

    def versions(self, name: str) -> list[str]:
        return [key.version for key in self._known if key.name == name]

    def become(self, key: VersionKey, state: VersionState, reason: str | None = None) -> None:
        before = self._known.pop(key, None)
        if before is not None:
            self._shown.remove(key.name, key.version, before.state)
        if state is not VersionState.STORED:
            self._known[key] = VersionStatus(state, reason)
            self._shown.labels(key.name, key.version, state).set(1)
