"""The feature cache in Redis: histories, profiles and the ad catalog. Failures are answers here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

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

REDIS_ERRORS = (RedisError, OSError)  # what writes raise, for callers that do not know Redis
URL_OPTIONS = {
    *("db", "client_name", "protocol"),
    *("ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile"),
}
APPEND_SCRIPT = files("app.features").joinpath("append.lua").read_text()


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """A user's behaviors (none for a cold user), or why they could not be had."""

    behaviors: BehaviorSequence = NO_BEHAVIORS
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class FieldsRead:
    """The fields of a hash (none where there is no such key), or why they could not be had."""

    fields: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def connect(url: str, *, timeout_s: float, max_connections: int = 8) -> "Redis":
    """A client that fails fast: short timeouts of its own, no retry inside a deadline.

    Raises ValueError for a URL that cannot be used, or that would change how values are read.
    """
    options = set(parse_qs(urlsplit(url).query, keep_blank_values=True))
    if not options <= URL_OPTIONS:
        raise ValueError(f"of the URL's options only {sorted(URL_OPTIONS)} can be set")
    pool = BlockingConnectionPool.from_url(
        url,
        timeout=timeout_s,  # for a free connection
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=max_connections,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return Redis.from_pool(pool)


class RedisStore:
    """Reads and writes of the Redis contract; reads return one result per key and never raise."""

    def __init__(self, client: "Redis", *, max_stored_behaviors: int) -> None:
        self._client = client
        self._max_stored_behaviors = max_stored_behaviors
        self._append = client.register_script(APPEND_SCRIPT)

    async def read_histories(self, user_ids: Sequence[str]) -> list[HistoryRead]:
        keys = [redis_key(user_id) for user_id in user_ids]
        try:
            values = await self._get_strings(keys)
        except REDIS_ERRORS as error:
            return [HistoryRead(problem=_reason(error))] * len(keys)
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
        stored: int = await self._append(keys=[redis_key(user_id)], args=[*arguments, *limits])
        return stored

    async def replace(self, histories: Mapping[str, BehaviorSequence]) -> None:
        """Writes whole histories, the newest behaviors of each, in one pipeline.

        Raises RedisError as Redis said it: redis-py would add the command, and with it user ids.
        """
        async with self._client.pipeline(transaction=False) as pipeline:
            for user_id, sequence in histories.items():
                newest = sequence.newest(self._max_stored_behaviors)
                pipeline.set(redis_key(user_id), pack(user_id, newest))
            for answer in await pipeline.execute(raise_on_error=False):
                if isinstance(answer, RedisError):
                    raise answer

    async def connection_problem(self) -> str | None:
        """Connects; None if Redis answers, else why it does not."""
        try:
            await self._client.ping()
        except REDIS_ERRORS as error:
            return _reason(error)
        return None

    async def close(self) -> None:
        await self._client.aclose()

    async def _get_strings(self, keys: Sequence[str]) -> list[bytes | RedisError | None]:
        # MGET shows a value of another type as missing. EXISTS in the same round trip tells
        # whether that happened, at the price of one command rather than one per key.
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.mget(keys)
            pipeline.exists(*keys)
            values, existing = await pipeline.execute()
        if existing == sum(value is not None for value in values):
            return list(values)
        async with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key)
            return list(await pipeline.execute(raise_on_error=False))

    async def _read_hashes(self, keys: Sequence[str]) -> list[FieldsRead]:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hgetall(key)
                values = await pipeline.execute(raise_on_error=False)
        except REDIS_ERRORS as error:
            return [FieldsRead(problem=_reason(error))] * len(keys)
        return [_decode_fields(value) for value in values]


def _decode_history(user_id: str, value: bytes | RedisError | None) -> HistoryRead:
    if value is None:
        return HistoryRead()
    if isinstance(value, RedisError):
        return HistoryRead(problem=_reason(value))
    try:
        return HistoryRead(unpack(user_id, value))
    except UnreadableHistory as error:
        return HistoryRead(problem=error.reason)


def _decode_fields(value: Mapping[bytes, bytes] | RedisError) -> FieldsRead:
    if isinstance(value, RedisError):
        return FieldsRead(problem=_reason(value))
    try:
        return FieldsRead({name.decode(): text.decode() for name, text in value.items()})
    except UnicodeDecodeError:
        return FieldsRead(problem="corrupt")


def _reason(error: Exception) -> str:
    """A metrics label: few values, whatever Redis says."""
    if isinstance(error, RedisTimeout | TimeoutError):
        return "timeout"
    if "WRONGTYPE" in str(error):
        return "wrong_type"
    return "unreachable" if isinstance(error, RedisUnreachable | OSError) else "redis_error"
