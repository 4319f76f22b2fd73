"""What an operator asks for: which version, for whom, and whether it answers."""

from dataclasses import dataclass
from typing import Literal

from app.errors import FieldError, InvalidRequest

Mode = Literal["canary", "shadow"]  # one answers a share of the users, the other nobody

MOST_CANARY_PERCENT = 50.0  # of more the active version is not the measure any more


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """A version beside the active one, for a percent of the users."""

    version: str
    mode: Mode
    percent: float

    def check(self) -> None:
        """Raises InvalidRequest."""
        most = MOST_CANARY_PERCENT if self.mode == "canary" else 100.0
        if not 0 < self.percent <= most:
            raise InvalidRequest(
                [FieldError("percent", f"of a {self.mode} it is above 0, up to {most:g}")]
            )
