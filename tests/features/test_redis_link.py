"""A connection that answers anything but what was asked, or too late, is never used again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from anyio.lowlevel import checkpoint
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from app.features.redis_address import Login, Place, parse_address
from app.features.redis_errors import LoginRefused
from app.features.redis_link import RedisLink, open_link
from tests.eventually import eventually_async
from tests.features.redis_stores import raw_client
from tests.features.scripted_server import ScriptedServer, scripted_server

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def link_to(answers: Sequence[bytes]) -> AsyncIterator[tuple[RedisLink, ScriptedServer]]:
    async with scripted_server(answers) as server:
        link = await open_link(Place("127.0.0.1", server.port), Login())
        yield link, server
        link.close()
        await checkpoint()


async def test_every_command_gets_its_own_reply(redis_url):
    address = parse_address(redis_url)
    link = await open_link(address.places[0], address.login)

    first = await link.ask([("SET", "key", b"\x00\xff"), ("GET", "key"), ("GET", "no such key")])
    second = await link.ask([("LPUSH", "key", 1), ("MGET", "key", "no such key")])
    link.close()
    await checkpoint()

    assert first == [b"OK", b"\x00\xff", None]
    assert isinstance(second[0], ResponseError)
    assert str(second[0]).startswith("WRONGTYPE")
    assert second[1] == [b"\x00\xff", None]


async def test_replies_may_arrive_byte_by_byte():
    async with link_to([]) as (link, server):
        asked = asyncio.create_task(link.ask([("GET", "a"), ("GET", "b")]))
        await eventually_async(lambda: is_true(bool(server.received)))
        for byte in b"$3\r\none\r\n:2\r\n":
            link.data_received(bytes([byte]))
            await checkpoint()

        assert await asked == [b"one", 2]
        assert link.is_open


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(b"", RedisUnreachable, id="hangs up"),
        pytest.param(b"?nonsense\r\n", InvalidResponse, id="not the protocol"),
        pytest.param(b"$3\r\none\r\n$3\r\ntwo\r\n", InvalidResponse, id="two replies for one"),
        pytest.param(b"$3\r\none\r\n$3\r\nt", InvalidResponse, id="and half of another"),
    ],
)
async def test_a_bad_answer_is_an_error_and_the_end_of_the_link(answer, error):
    async with link_to([answer]) as (link, _):
        with pytest.raises(error):
            await link.ask([("GET", "a")])

        assert not link.is_open
        with pytest.raises(RedisUnreachable):
            await link.ask([("GET", "a")])


async def test_a_question_that_was_given_up_closes_the_link_so_that_its_reply_goes_nowhere():
    async with link_to([]) as (link, server):
        asked = asyncio.create_task(link.ask([("GET", "a")]))
        await eventually_async(lambda: is_true(bool(server.received)))

        asked.cancel()
        await asyncio.wait([asked])

        assert not link.is_open
        with pytest.raises(RedisUnreachable):
            await link.ask([("GET", "b")])
        assert server.connections == 1


async def test_a_reply_that_nobody_asked_for_closes_the_link():
    async with link_to([b":1\r\n"]) as (link, _):
        assert await link.ask([("GET", "a")]) == [1]

        link.data_received(b":2\r\n")

        assert not link.is_open


@pytest.mark.parametrize("url", ["redis://:wrong@", "redis://nobody:wrong@", "redis:///99"])
async def test_a_login_that_is_refused_says_so_and_quotes_nothing(redis_url, url):
    login = parse_address(url).login

    with pytest.raises(LoginRefused) as refused:
        await open_link(parse_address(redis_url).places[0], login)

    assert isinstance(refused.value, RedisError)
    assert "wrong" not in str(refused.value)


async def test_it_logs_in_as_the_urls_user_into_the_urls_database(redis_url):
    with raw_client(redis_url) as redis:
        redis.acl_setuser(
            "reader", enabled=True, passwords=["+s:e/c#ret"], keys=["*"], commands=["+@all"]
        )
        login = parse_address("redis://reader:s%3Ae%2Fc%23ret@/3?client_name=ctr").login
        link = await open_link(parse_address(redis_url).places[0], login)

        (user, description, _) = await link.ask(
            [("ACL", "WHOAMI"), ("CLIENT", "INFO"), ("FLUSHDB",)]
        )
        link.close()
        await checkpoint()
        redis.acl_deluser("reader")

    assert user == b"reader"
    assert b" name=ctr " in description
    assert b" db=3 " in description


def test_a_login_does_not_show_its_password():
    assert "secret" not in repr(parse_address("redis://reader:secret@localhost"))


async def is_true(value: bool) -> bool:
    return value
