"""Columns of interactions to packed histories in Redis, many users in each round trip."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.batch import Rows
from app.core.keys import Keys, keys_of
from app.core.request import BehaviorSequence
from app.features.redis_store import RedisStore

USERS_PER_ROUND_TRIP = 1_000
LOADING_TIMEOUT_S = 10.0  # nobody waits for an ad meanwhile

Progress = Callable[[int], None]  # events loaded since the last call


@dataclass(frozen=True, slots=True)
class InteractionColumns:
    """N interactions in any order; users and item fields as raw ids."""

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    category_ids: Sequence[str]
    timestamps: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was written."""

    users: int
    events: int


async def load_behaviors(
    store: RedisStore,
    interactions: InteractionColumns,
    *,
    hold_out: int = 0,
    progress: Progress = lambda _: None,
) -> Loaded:
    """Replaces the history of every user that occurs.

    hold_out: leaves out each user's last events, to rank them as targets later.
    """
    users = events = 0
    chunk: dict[str, BehaviorSequence] = {}
    for user_id, sequence in histories(interactions):
        chunk[user_id] = _without_last(sequence, hold_out)
        users, events = users + 1, events + len(chunk[user_id])
        if len(chunk) == USERS_PER_ROUND_TRIP:
            await _write(store, chunk, progress)
            chunk = {}
    await _write(store, chunk, progress)
    return Loaded(users, events)


def histories(interactions: InteractionColumns) -> Iterator[tuple[str, BehaviorSequence]]:
    """Each user's behaviors, oldest first; events of the same second keep their order."""
    names, user_N = _numbered(interactions.user_ids)
    order = np.lexsort((interactions.timestamps, user_N))
    keys_NF = np.stack(
        [_keys_of_column(interactions.item_ids), _keys_of_column(interactions.category_ids)], axis=1
    )[order]
    timestamps_N = interactions.timestamps[order]
    counts = np.bincount(user_N, minlength=len(names))
    ends = np.cumsum(counts)
    for name, start, end in zip(names, ends - counts, ends, strict=True):
        yield name, BehaviorSequence(keys_NF[start:end], timestamps_N[start:end])


def _keys_of_column(raw_ids: Sequence[str]) -> Keys:
    """Hashes each distinct id once."""
    distinct, index_N = _numbered(raw_ids)
    return keys_of(distinct)[index_N]


def _numbered(raw_ids: Iterable[str]) -> tuple[list[str], Rows]:
    """The distinct ids, and which of them each one is. Not by numpy, whose text ends at a NUL."""
    numbers: dict[str, int] = {}
    number_N = np.fromiter((numbers.setdefault(raw_id, len(numbers)) for raw_id in raw_ids), int)
    return list(numbers), number_N


def _without_last(sequence: BehaviorSequence, count: int) -> BehaviorSequence:
    kept = max(0, len(sequence) - count)
    return BehaviorSequence(sequence.keys_TF[:kept], sequence.timestamps_T[:kept])


async def _write(store: RedisStore, chunk: dict[str, BehaviorSequence], progress: Progress) -> None:
    if chunk:
        await store.replace(chunk)
        progress(sum(map(len, chunk.values())))
