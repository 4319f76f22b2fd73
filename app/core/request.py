"""What is asked and what is answered, free of HTTP: columns instead of one object per candidate."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from app.core.keys import Keys

FieldValue = str | int | float | None
RankBy = Literal["ctr", "ecpm"]
FeatureKind = Literal["behaviors", "profile", "ad"]
Degradation = Literal["stale_history", "truncated_history", "no_history", "prior"]

# A stored behavior has these fields, in this order; candidates carry them too.
BEHAVIOR_FIELDS = ("item_id", "category_id")


class BehaviorSequence(Struct, frozen=True):
    """A user's behaviors, oldest first; F fields as in `BEHAVIOR_FIELDS`."""

    keys_TF: Keys
    timestamps_T: NDArray[np.uint32]  # unix seconds

    def __len__(self) -> int:
        return len(self.timestamps_T)

    def newest(self, count: int) -> "BehaviorSequence":
        """The last `count` behaviors, as the models were trained on."""
        if len(self) <= count:
            return self
        first = len(self) - count
        return BehaviorSequence(self.keys_TF[first:], self.timestamps_T[first:])


NO_BEHAVIORS = BehaviorSequence(
    np.empty((0, len(BEHAVIOR_FIELDS)), np.uint64), np.empty(0, np.uint32)
)


class Candidates(Struct, frozen=True):
    """The ads to score: one column per field, all of the same length."""

    ad_ids: Sequence[str]
    bids: Sequence[float | None]
    fields: Mapping[str, Sequence[FieldValue]]  # item_id, category_id and what the schema declares

    def __len__(self) -> int:
        return len(self.ad_ids)

    def part(self, start: int, end: int) -> "Candidates":
        """Those from `start` on, before `end`."""
        fields = {name: column[start:end] for name, column in self.fields.items()}
        return Candidates(self.ad_ids[start:end], self.bids[start:end], fields)


class UserContext(Struct, frozen=True):
    """Everything about the user and the moment; nothing about a candidate."""

    user_id: str
    behaviors: BehaviorSequence = NO_BEHAVIORS
    profile: Mapping[str, FieldValue] = {}
    context: Mapping[str, FieldValue] = {}

    def with_newest(self, count: int) -> "UserContext":
        """The same user with no more than the last `count` behaviors."""
        if len(self.behaviors) <= count:
            return self
        return replace(self, behaviors=self.behaviors.newest(count))


class RankRequest(Struct, frozen=True):
    """One request as its sender meant it; `None` means: the service decides."""

    user_id: str
    candidates: Candidates
    behaviors: BehaviorSequence | None = None  # replaces the stored history
    profile: Mapping[str, FieldValue] | None = None  # replaces the stored profile
    context: Mapping[str, FieldValue] = {}
    raw_ids: Mapping[int, str] = {}  # of inline behaviors, by key
    top_k: int | None = None
    rank_by: RankBy = "ctr"
    explain: int = 0
    deadline_ms: float | None = None
    model: str | None = None


class AttendedBehavior(Struct, frozen=True):
    """A behavior and the share of attention it got; ids are None where only their key is known."""

    item_id: str | None
    category_id: str | None
    timestamp: int
    weight: float


class RankedCandidate(Struct, gc=False):
    """One ad of the answer; made and rendered in less time than a dict, which a collector of
    garbage would have to look at."""

    ad_id: str
    rank: int
    ctr: float
    ecpm: float | None
    attention: Sequence[AttendedBehavior]


class Ranking(Struct, frozen=True):
    """The whole answer to one request."""

    model: str
    version: str
    behaviors: int
    unknown_items: int
    degraded: Degradation | None
    degraded_reason: str | None
    feature_problems: Mapping[FeatureKind, str]  # what could not be had, and why
    ranked: Sequence[RankedCandidate]
