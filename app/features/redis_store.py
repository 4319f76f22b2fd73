"""The feature cache in Redis: histories, profiles and the ad catalog. Failures are answers here."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files

from msgspec import Struct
from redis.exceptions import InvalidResponse, ResponseError

from app.core.request import NO_BEHAVIORS, BehaviorSequence
from app.features.behavior_codec import (
    RECORD,
    UnreadableHistory,
    pack,
    pack_header,
    pack_records,
    redis_key,
    unpack,
)
from app.features.redis_address import parse_address
from app.features.redis_errors import REDIS_ERRORS, reason_of
from app.features.redis_link import Command, Reply
from app.features.redis_servers import RedisServers
from app.monitoring.metrics import Metrics

APPEND_SCRIPT = files("app.features").joinpath("append.lua").read_text()
APPEND_SHA = hashlib.sha1(APPEND_SCRIPT.encode()).hexdigest()  # noqa: S324 - Redis names it so


class HistoryRead(Struct, frozen=True):
    """A user's behaviors (none for a cold user), or why they could not be had."""

    behaviors: BehaviorSequence = NO_BEHAVIORS
    problem: str | None = None
    is_stale: bool = False  # the behaviors are a copy from an earlier read


class FieldsRead(Struct, frozen=True):
    """The fields of a hash (none where there is no such key), or why they could not be had."""

    fields: Mapping[str, str] = {}
    problem: str | None = None


def connect(
    url: str,
    *,
    timeout_s: float,
    metrics: Metrics | None = None,
    sentinel_username: str | None = None,
    sentinel_password: str | None = None,
) -> RedisServers:
    """Nothing is connected yet. Raises ValueError or OSError for a URL that cannot be used."""
    address = parse_address(
        url, sentinel_username=sentinel_username, sentinel_password=sentinel_password
    )
    return RedisServers(address, metrics or Metrics(), timeout_s=timeout_s)


class RedisStore:
    """Reads and writes of the Redis contract; reads return one result per key and never raise."""

    def __init__(self, redis: RedisServers, *, max_stored_behaviors: int) -> None:
        self._redis = redis
        self._max_stored_behaviors = max_stored_behaviors

    async def read_histories(self, user_ids: Sequence[str]) -> list[HistoryRead]:
        keys = [redis_key(user_id) for user_id in user_ids]
        if self._redis.is_sharded:
            # MGET takes keys of one slot only.
            values = await self._redis.ask_each(keys, [("GET", key) for key in keys])
        else:
            try:
                values = await self._get_strings(keys)
            except REDIS_ERRORS as error:
                return [HistoryRead(problem=reason_of(error))] * len(keys)
        return [
            _decode_history(user_id, value) for user_id, value in zip(user_ids, values, strict=True)
        ]

    async def read_profiles(self, user_ids: Sequence[str]) -> list[FieldsRead]:
        return await self._read_hashes([f"profile:{{{user_id}}}" for user_id in user_ids])

    async def read_ads(self, ad_ids: Sequence[str]) -> list[FieldsRead]:
        return await self._read_hashes([f"ad:{{{ad_id}}}" for ad_id in ad_ids])

    async def append(self, user_id: str, sequence: BehaviorSequence) -> int:
        """Appends atomically, keeps the newest; how many are stored now.

        Raises RedisError, also when the key holds anything but this user's history.
        """
        newest = sequence.newest(self._max_stored_behaviors)
        arguments = [pack_header(user_id), pack_records(newest)]
        limits = [RECORD.itemsize, self._max_stored_behaviors]
        call: Command = (1, redis_key(user_id), *arguments, *limits)
        keys = [redis_key(user_id)]
        (stored,) = await self._redis.ask_each(keys, [("EVALSHA", APPEND_SHA, *call)])
        if isinstance(stored, ResponseError) and str(stored).startswith("NOSCRIPT"):
            (stored,) = await self._redis.ask_each(keys, [("EVAL", APPEND_SCRIPT, *call)])
        return int(_valid(stored))

    async def replace(self, histories: Mapping[str, BehaviorSequence]) -> None:
        """Writes whole histories, the newest behaviors of each, in one round trip a server.

        Raises RedisError.
        """
        keys = [redis_key(user_id) for user_id in histories]
        commands: list[Command] = [
            ("SET", key, pack(user_id, sequence.newest(self._max_stored_behaviors)))
            for key, (user_id, sequence) in zip(keys, histories.items(), strict=True)
        ]
        for answer in await self._redis.ask_each(keys, commands):
            _valid(answer)

    async def connection_problem(self) -> str | None:
        """Connects; None if every server answers, else why the first that fails does not."""
        try:
            nodes = await self._redis.nodes()
            await asyncio.gather(*(node.ask([("PING",)]) for node in nodes))
        except REDIS_ERRORS as error:
            return reason_of(error)
        return None

    async def close(self) -> None:
        await self._redis.close()

    async def _get_strings(self, keys: Sequence[str]) -> list[Reply]:
        (node,) = await self._redis.nodes()
        # MGET shows a value of another type as missing. EXISTS in the same round trip tells
        # whether that happened, at the price of one command rather than one per key.
        values, existing = await node.ask([("MGET", *keys), ("EXISTS", *keys)])
        if not isinstance(_valid(values), list) or len(values) != len(keys):
            raise InvalidResponse("MGET is not answered with one value per key")
        if _valid(existing) == sum(value is not None for value in values):
            return list(values)
        return await node.ask([("GET", key) for key in keys])

    async def _read_hashes(self, keys: Sequence[str]) -> list[FieldsRead]:
        replies = await self._redis.ask_each(keys, [("HGETALL", key) for key in keys])
        return [_decode_fields(reply) for reply in replies]


def _valid(reply: Reply) -> Reply:
    """Raises the error that a reply is, in the words of Redis, which name no user."""
    if isinstance(reply, REDIS_ERRORS):
        raise reply
    return reply


def _decode_history(user_id: str, value: Reply) -> HistoryRead:
    if value is None:
        return HistoryRead()
    if isinstance(value, REDIS_ERRORS):
        return HistoryRead(problem=reason_of(value))
    try:
        return HistoryRead(unpack(user_id, value))
    except UnreadableHistory as error:
        return HistoryRead(problem=error.reason)
    except TypeError:  # a reply to another kind of question
        return HistoryRead(problem="redis_error")


def _decode_fields(reply: Reply) -> FieldsRead:
    if isinstance(reply, REDIS_ERRORS):
        return FieldsRead(problem=reason_of(reply))
    try:
        texts = [text.decode() for text in reply]
        return FieldsRead(dict(zip(texts[::2], texts[1::2], strict=True)))
    except (UnicodeDecodeError, AttributeError, TypeError, ValueError):
        return FieldsRead(problem="corrupt")
