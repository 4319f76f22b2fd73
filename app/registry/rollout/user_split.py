"""Which users a rollout takes: a stable share of them, that only grows as its percent does."""

from dataclasses import dataclass
from functools import cached_property

from xxhash import xxh3_64_intdigest

from app.core.keys import key_of

HASHES = 2**64


@dataclass(frozen=True)
class UserSplit:
    """A user's hash does not depend on the percent, so a user who is in stays in as it grows.

    Each version draws other users: the same few should not try everything that is new.
    """

    salt: str  # NAME@VERSION of what is rolled out
    percent: float

    @cached_property
    def _seed(self) -> int:
        return key_of(self.salt)

    @cached_property
    def _first_outside(self) -> int:
        return round(self.percent / 100 * HASHES)

    def takes(self, user_id: str) -> bool:
        return xxh3_64_intdigest(user_id.encode(), self._seed) < self._first_outside
