"""One connection to Redis that asks one thing at a time and is closed at the first doubt."""

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import InvalidResponse, ResponseError

from app.features.redis_address import Login, Place
from app.features.redis_errors import LoginRefused

Command = tuple[str | int | float | bytes, ...]
# bytes, int, None, a ResponseError, or a list of these
Reply = Any
UNFINISHED = object()


class RedisLink(asyncio.Protocol):
    """Replies go to whoever asked, or to nobody: a link that missed one is never used again."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=UNFINISHED
        )
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[list[Reply]] | None = None
        self._replies: list[Reply] = []
        self._missing = 0
        self.is_open = False

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """One reply for each command, errors among them, in one round trip.

        Raises RedisUnreachable or InvalidResponse. Whatever ends this early, a cancellation too,
        closes the link: the reply that is still on its way would answer the next question.
        """
        if self._transport is None or not self.is_open:
            raise RedisUnreachable("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._replies, self._missing = [], len(commands)
        try:
            self._transport.write(b"".join(map(_packed, commands)))
            return await self._answer
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """At once: a server that does not read would keep an orderly end waiting for ever."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's is a Transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.close()  # nobody asked, so what comes next would answer the wrong question
            return
        try:
            self._reader.feed(data)
            while self._missing:
                reply = self._reader.gets()
                if reply is UNFINISHED:
                    return
                self._replies.append(reply)
                self._missing -= 1
        except InvalidResponse as error:
            self._fail(error)
            return
        if self._reader.has_data():
            self._fail(InvalidResponse("more replies than questions"))
            return
        answer, self._answer = self._answer, None
        if not answer.done():
            answer.set_result(self._replies)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._fail(RedisUnreachable("the connection was lost"))

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # of any length
    return packed


async def open_link(place: Place, login: Login) -> RedisLink:
    """Connects and logs in. Raises OSError, RedisUnreachable, InvalidResponse or LoginRefused."""
    loop = asyncio.get_running_loop()
    if place.path is not None:
        _, link = await loop.create_unix_connection(RedisLink, place.path)
    else:
        _, link = await loop.create_connection(RedisLink, place.host, place.port, ssl=login.tls)
    commands = login.commands()
    if commands:
        replies = await link.ask(commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                link.close()
                raise LoginRefused(str(reply).split(" ", 1)[0])  # the rest might quote us
        if login.expects_master and replies[-1][0] != b"master":
            link.close()
            raise RedisUnreachable("this is not the master any more")
    return link
