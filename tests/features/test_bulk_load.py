"""Interaction columns become histories: per user, in time order, byte for byte as the codec."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.keys import key_of
from app.features.behavior_codec import pack, redis_key
from app.features.bulk_load import InteractionColumns, Loaded, histories, load_behaviors
from tests.features.histories import as_rows, history
from tests.features.redis_stores import open_store, raw_client

Event = tuple[str, str, str, int]  # user, item, category, second

ids = st.sampled_from(["a", "b", "a\x00", "", "ünï 🙂"]) | st.text(max_size=3)
events = st.lists(st.tuples(ids, ids, ids, st.integers(0, 5) | st.integers(0, 2**32 - 1)))


def columns(rows: list[Event]) -> InteractionColumns:
    users, items, categories, seconds = zip(*rows, strict=True) if rows else ((), (), (), ())
    return InteractionColumns(users, items, categories, np.array(seconds, np.uint32))


def naive_histories(rows: list[Event]) -> dict[str, list[tuple[int, int, int]]]:
    """Each user's own events; `sorted` keeps the order of equal seconds."""
    return {
        user: [
            (key_of(item), key_of(category), second)
            for owner, item, category, second in sorted(rows, key=lambda row: row[3])
            if owner == user
        ]
        for user in {row[0] for row in rows}
    }


@given(events)
def test_histories_are_each_users_events_by_time(rows):
    loaded = list(histories(columns(rows)))

    assert {user: as_rows(sequence) for user, sequence in loaded} == naive_histories(rows)
    assert len(loaded) == len({row[0] for row in rows})


EVENTS: list[Event] = [
    ("user-1", "b", "category of b", 2),
    ("user-2", "z", "category of z", 1),
    ("user-1", "a", "category of a", 1),
    ("user-1", "d", "category of d", 4),
    ("user-1", "c", "category of c", 3),
]


async def load(redis_url: str, rows: list[Event], *, cap: int = 50, **options: object) -> Loaded:
    async with open_store(redis_url, max_stored_behaviors=cap) as store:
        return await load_behaviors(store, columns(rows), **options)


@pytest.mark.anyio
async def test_redis_holds_what_the_codec_packs(redis_url):
    loaded = await load(redis_url, EVENTS)

    with raw_client(redis_url) as redis:
        assert loaded == Loaded(users=2, events=5)
        assert redis.get(redis_key("user-1")) == pack("user-1", history("a", "b", "c", "d"))
        assert redis.get(redis_key("user-2")) == pack("user-2", history("z"))
        assert redis.dbsize() == 2


@pytest.mark.anyio
async def test_a_history_is_replaced_and_loading_twice_changes_nothing(redis_url):
    async with open_store(redis_url) as store:
        await store.append("user-1", history("old"))
        await store.append("user-3", history("untouched"))

    for _ in range(2):
        await load(redis_url, EVENTS)

    with raw_client(redis_url) as redis:
        assert redis.get(redis_key("user-1")) == pack("user-1", history("a", "b", "c", "d"))
        assert redis.get(redis_key("user-3")) == pack("user-3", history("untouched"))


@pytest.mark.anyio
async def test_the_newest_behaviors_are_stored_up_to_the_cap(redis_url):
    await load(redis_url, EVENTS, cap=3)

    with raw_client(redis_url) as redis:
        newest = history("b", "c", "d", first_second=2)
        assert redis.get(redis_key("user-1")) == pack("user-1", newest)


@pytest.mark.anyio
async def test_the_last_events_of_each_user_are_held_out_before_the_cap(redis_url):
    loaded = await load(redis_url, EVENTS, cap=2, hold_out=1)

    with raw_client(redis_url) as redis:
        kept = history("b", "c", first_second=2)
        assert loaded == Loaded(users=2, events=3)
        assert redis.get(redis_key("user-1")) == pack("user-1", kept)
        assert redis.get(redis_key("user-2")) == pack("user-2", history())


@pytest.mark.anyio
async def test_holding_out_more_than_there_is_leaves_nothing(redis_url):
    await load(redis_url, EVENTS, hold_out=5)

    with raw_client(redis_url) as redis:
        assert redis.get(redis_key("user-1")) == pack("user-1", history())


@pytest.mark.anyio
async def test_progress_adds_up_to_the_events_over_many_round_trips(redis_url):
    progress: list[int] = []
    many = [(f"user-{number % 1500}", "a", "category of a", number) for number in range(4000)]

    loaded = await load(redis_url, many, progress=progress.append)

    assert loaded == Loaded(users=1500, events=4000)
    assert len(progress) == 2
    assert sum(progress) == len(many)


@pytest.mark.anyio
async def test_no_interactions_load_nobody(redis_url):
    progress: list[int] = []

    loaded = await load(redis_url, [], progress=progress.append)

    assert (loaded, progress) == (Loaded(users=0, events=0), [])
