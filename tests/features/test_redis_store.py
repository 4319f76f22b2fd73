"""The store on a real Redis: appends are atomic and capped, and one bad value is one user's."""

import asyncio

import pytest
from redis.exceptions import RedisError

from app.features.behavior_codec import pack, redis_key
from tests.features.histories import as_rows, history
from tests.features.redis_stores import open_store, raw_client

pytestmark = pytest.mark.anyio


async def read_one(store, user_id="user-1"):
    (read,) = await store.read_histories([user_id])
    return read


async def test_what_is_appended_is_read_oldest_first(redis_url):
    async with open_store(redis_url) as store:
        await store.append("user-1", history("a", "b"))
        stored = await store.append("user-1", history("c", first_second=3))

        read = await read_one(store)

    assert stored == 3
    assert read.problem is None
    assert as_rows(read.behaviors) == as_rows(history("a", "b", "c"))


async def test_redis_holds_exactly_what_the_codec_packs(redis_url):
    async with open_store(redis_url) as store:
        await store.append("user-1", history("a"))
        await store.append("user-1", history("b", first_second=2))
        await store.replace({"user-2": history("a", "b")})

    with raw_client(redis_url) as redis:
        assert redis.get(redis_key("user-1")) == pack("user-1", history("a", "b"))
        assert redis.get(redis_key("user-2")) == pack("user-2", history("a", "b"))


async def test_appending_past_the_cap_keeps_the_newest(redis_url):
    async with open_store(redis_url, max_stored_behaviors=3) as store:
        await store.append("user-1", history("a", "b"))
        stored = await store.append("user-1", history("c", "d", first_second=3))

        read = await read_one(store)

    assert stored == 3
    assert as_rows(read.behaviors) == as_rows(history("a", "b", "c", "d").newest(3))


async def test_one_append_of_more_than_the_cap_keeps_the_newest(redis_url):
    async with open_store(redis_url, max_stored_behaviors=2) as store:
        stored = await store.append("user-1", history("a", "b", "c"))
        await store.replace({"user-2": history("a", "b", "c")})

        reads = await store.read_histories(["user-1", "user-2"])

    newest = as_rows(history("a", "b", "c").newest(2))
    assert stored == 2
    assert [as_rows(read.behaviors) for read in reads] == [newest, newest]


async def test_appending_nothing_creates_an_empty_history(redis_url):
    async with open_store(redis_url) as store:
        stored = await store.append("user-1", history())

        read = await read_one(store)

    assert (stored, len(read.behaviors), read.problem) == (0, 0, None)


async def test_concurrent_appenders_lose_nothing_and_keep_their_own_order(redis_url):
    writers, events = 40, 10
    async with open_store(redis_url, max_stored_behaviors=writers * events) as store:

        async def write(writer: int) -> None:
            for event in range(events):
                item = history(f"item {event} of {writer}", first_second=writer * events + event)
                await store.append("user-1", item)

        await asyncio.gather(*map(write, range(writers)))
        read = await read_one(store)

    seconds = read.behaviors.timestamps_T.tolist()
    assert sorted(seconds) == list(range(writers * events))
    for writer in range(writers):
        assert [s for s in seconds if s // events == writer] == sorted(
            s for s in seconds if s // events == writer
        )


async def test_concurrent_appenders_never_exceed_the_cap(redis_url):
    async with open_store(redis_url, max_stored_behaviors=7) as store:
        appended = (history(str(n), first_second=n) for n in range(100))
        stored = await asyncio.gather(*(store.append("user-1", one) for one in appended))
        read = await read_one(store)

    assert sorted(stored) == [1, 2, 3, 4, 5, 6] + [7] * 94
    assert len(read.behaviors) == 7


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"something else", id="not a history"),
        pytest.param(pack("user-2", history("a")), id="another user's"),
        pytest.param(pack("user-1", history("a"))[:-5], id="cut within a record"),
    ],
)
async def test_an_append_refuses_a_foreign_value_and_leaves_it(redis_url, value):
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), value)

        async with open_store(redis_url) as store:
            with pytest.raises(RedisError):
                await store.append("user-1", history("b"))

        assert redis.get(redis_key("user-1")) == value


async def test_an_append_refuses_a_key_of_another_type_and_leaves_it(redis_url):
    with raw_client(redis_url) as redis:
        redis.hset(redis_key("user-1"), "field", "value")

        async with open_store(redis_url) as store:
            with pytest.raises(RedisError, match="WRONGTYPE"):
                await store.append("user-1", history("b"))

        assert redis.hgetall(redis_key("user-1")) == {b"field": b"value"}


async def test_an_append_survives_a_redis_that_forgot_its_scripts(redis_url):
    async with open_store(redis_url) as store:
        await store.append("user-1", history("a"))
        with raw_client(redis_url) as redis:
            redis.script_flush()

        stored = await store.append("user-1", history("b", first_second=2))

    assert stored == 2


async def test_a_bad_value_affects_its_own_user_only(redis_url):
    values = {
        "well": pack("well", history("a")),
        "corrupt": b"CB but no history",
        "cut": pack("cut", history("a"))[:-1],
        "later": b"CB\x02" + pack("later", history("a"))[3:],
        "foreign": pack("somebody else", history("a")),
        "well too": pack("well too", history("b", "c")),
    }
    with raw_client(redis_url) as redis:
        redis.mset({redis_key(user_id): value for user_id, value in values.items()})
        redis.hset(redis_key("hash"), "field", "value")
        redis.rpush(redis_key("list"), "value")

    async with open_store(redis_url) as store:
        users = ["hash", "well", "corrupt", "cold", "cut", "later", "foreign", "list", "well too"]
        reads = dict(zip(users, await store.read_histories(users), strict=True))

    assert {user_id: read.problem for user_id, read in reads.items()} == {
        "hash": "wrong_type",
        "well": None,
        "corrupt": "corrupt",
        "cold": None,
        "cut": "corrupt",
        "later": "foreign_version",
        "foreign": "foreign_user",
        "list": "wrong_type",
        "well too": None,
    }
    assert as_rows(reads["well"].behaviors) == as_rows(history("a"))
    assert as_rows(reads["well too"].behaviors) == as_rows(history("b", "c"))
    assert all(
        len(read.behaviors) == 0
        for user_id, read in reads.items()
        if not user_id.startswith("well")
    )


async def test_user_ids_may_be_any_text(redis_url):
    users = ["{brace}", "a}b", "line\r\nbreak", "nul\x00", "ünï 🙂", " ", "*"]
    async with open_store(redis_url) as store:
        for user_id in users:
            await store.append(user_id, history(user_id))

        reads = await store.read_histories(users)

    assert [as_rows(read.behaviors) for read in reads] == [as_rows(history(u)) for u in users]


async def test_profiles_and_ads_are_hashes_of_text(redis_url):
    with raw_client(redis_url) as redis:
        redis.hset("profile:{user-1}", mapping={"age": 31, "city": "Köln"})
        redis.hset("ad:{ad-1}", mapping={"item_id": "item-1", "price": "4.5"})

    async with open_store(redis_url) as store:
        (profile,) = await store.read_profiles(["user-1"])
        (ad,) = await store.read_ads(["ad-1"])

    assert (profile.fields, profile.problem) == ({"age": "31", "city": "Köln"}, None)
    assert (ad.fields, ad.problem) == ({"item_id": "item-1", "price": "4.5"}, None)


@pytest.mark.parametrize("kind", ["profile", "ad"])
async def test_a_bad_hash_affects_its_own_key_only(redis_url, kind):
    with raw_client(redis_url) as redis:
        redis.hset(f"{kind}:{{well}}", "age", "31")
        redis.hset(f"{kind}:{{bad value}}", "age", b"\xff")
        redis.hset(f"{kind}:{{bad name}}", b"\xff", "31")
        redis.set(f"{kind}:{{string}}", "31")

    async with open_store(redis_url) as store:
        read = {"profile": store.read_profiles, "ad": store.read_ads}[kind]
        reads = await read(["string", "well", "bad value", "missing", "bad name"])

    assert [read.problem for read in reads] == ["wrong_type", None, "corrupt", None, "corrupt"]
    assert [dict(read.fields) for read in reads] == [{}, {"age": "31"}, {}, {}, {}]


async def test_replacing_writes_over_whatever_was_there(redis_url):
    with raw_client(redis_url) as redis:
        redis.set(redis_key("user-1"), b"something else")
        redis.hset(redis_key("user-2"), "field", "value")

    async with open_store(redis_url) as store:
        await store.replace({"user-1": history("a"), "user-2": history()})
        reads = await store.read_histories(["user-1", "user-2"])

    assert [(len(read.behaviors), read.problem) for read in reads] == [(1, None), (0, None)]
