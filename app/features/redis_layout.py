"""Which server has which key, and how that is found out: from sentinels or from the cluster."""

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import RedisError

from app.features.redis_address import Place, RedisAddress
from app.features.redis_errors import REDIS_ERRORS
from app.features.redis_link import Reply
from app.features.redis_links import RedisLinks
from app.monitoring.metrics import Metrics

NOBODY = -1  # has the slot


@dataclass(frozen=True, slots=True)
class Layout:
    """The servers, and of a cluster the index of the one that has each slot."""

    places: tuple[Place, ...]
    owner_of_slot: "array[int] | None" = None

    def owner_of(self, key: str) -> Place | None:
        """None for a key in a slot that no server has now."""
        if self.owner_of_slot is None:
            return self.places[0]
        owner = self.owner_of_slot[key_slot(key.encode())]
        return None if owner == NOBODY else self.places[owner]


class Finder(Protocol):
    """Finds out how things are now."""

    async def find(self) -> Layout:
        """Raises one of REDIS_ERRORS where nobody could say."""

    async def close(self) -> None: ...


class SentinelFinder:
    """The master that the first sentinel to know one names."""

    def __init__(self, address: RedisAddress, metrics: Metrics, *, timeout_s: float) -> None:
        self._sentinels = [
            RedisLinks(place, address.sentinel_login, metrics) for place in address.places
        ]
        self._master = address.master
        self._timeout_s = timeout_s

    async def find(self) -> Layout:
        for sentinel in list(self._sentinels):
            try:
                (reply,) = await sentinel.round_trip(
                    [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)], self._timeout_s
                )
                host, port = _valid(reply)
            except (*REDIS_ERRORS, TypeError):  # unreachable, or it knows no such master
                self._sentinels.append(self._sentinels.pop(0))  # asked last the next time
                continue
            return Layout((Place(host.decode(), int(port)),))
        raise RedisUnreachable("no sentinel names a master")

    async def close(self) -> None:
        for sentinel in self._sentinels:
            await sentinel.close()


class ClusterFinder:
    """The slots as the first node to answer sees them, of the URL's and of those found since."""

    def __init__(self, address: RedisAddress, metrics: Metrics, *, timeout_s: float) -> None:
        self._address = address
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._nodes = self._links(address.places)

    async def find(self) -> Layout:
        # In any order: the node that is always asked first may be the one that is cut off.
        for place in random.sample(list(self._nodes), len(self._nodes)):
            try:
                (reply,) = await self._nodes[place].round_trip(
                    [("CLUSTER", "SLOTS")], self._timeout_s
                )
                layout = _layout(_valid(reply), asked=place)
            except REDIS_ERRORS:
                continue
            await self._adopt(layout.places)
            return layout
        raise RedisUnreachable("no node of the cluster names its slots")

    async def close(self) -> None:
        for links in self._nodes.values():
            await links.close()

    async def _adopt(self, places: Sequence[Place]) -> None:
        wanted = {*self._address.places, *places}
        for gone in self._nodes.keys() - wanted:
            await self._nodes.pop(gone).close()
        self._nodes |= self._links(wanted - self._nodes.keys())

    def _links(self, places: Sequence[Place] | set[Place]) -> dict[Place, RedisLinks]:
        login, metrics = self._address.login, self._metrics
        return {place: RedisLinks(place, login, metrics) for place in places}


def _layout(slots: Reply, *, asked: Place) -> Layout:
    """From the reply to CLUSTER SLOTS: first and last slot, then host and port of their master."""
    owners = array("h", [NOBODY]) * REDIS_CLUSTER_HASH_SLOTS
    numbers: dict[Place, int] = {}
    for first, last, (host, port, *_), *_replicas in slots:
        # A node that does not know its own address leaves the host out.
        place = Place(host.decode() if host else asked.host, port)
        number = numbers.setdefault(place, len(numbers))
        owners[first : last + 1] = array("h", [number]) * (last + 1 - first)
    if not numbers:
        raise RedisUnreachable("the node asked belongs to no cluster yet")
    return Layout(tuple(numbers), owners)


def _valid(reply: Reply) -> Reply:
    if isinstance(reply, RedisError):
        raise reply
    return reply
