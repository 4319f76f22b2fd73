"""The servers behind one URL: each key is asked of whoever has it, in one round trip a server."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import ResponseError

from app.features.circuit_breaker import CircuitBreaker
from app.features.redis_address import Place, RedisAddress, Topology
from app.features.redis_errors import REDIS_ERRORS, CircuitOpen
from app.features.redis_layout import ClusterFinder, Finder, Layout, SentinelFinder
from app.features.redis_link import Command, Reply
from app.features.redis_node import LONGEST_PROBE_S, RedisNode
from app.monitoring.metrics import Metrics

LOOK_AGAIN_S = 0.1  # after a failure, at the earliest
FINDERS: dict[Topology, type[SentinelFinder] | type[ClusterFinder]] = {
    "sentinel": SentinelFinder,
    "cluster": ClusterFinder,
}


class RedisServers:
    """One server, the master that sentinels name, or a cluster. A server that fails costs the
    keys that it has and no others."""

    def __init__(self, address: RedisAddress, metrics: Metrics, *, timeout_s: float) -> None:
        self._address = address
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._nodes: dict[Place, RedisNode] = {}
        self._layout: Layout | None = None
        self._finder: Finder | None = None
        self._finding: asyncio.Task[None] | None = None
        self._first_look = asyncio.Event()
        self._looked_at_s = -LOOK_AGAIN_S
        self._search = CircuitBreaker(lambda _: None)  # for its pauses
        self.is_sharded = address.topology == "cluster"
        if address.topology == "single":
            self._adopt(Layout(address.places))
        else:
            finder = FINDERS[address.topology]
            self._finder = finder(address, metrics, timeout_s=min(timeout_s, LONGEST_PROBE_S))

    async def nodes(self) -> list[RedisNode]:
        """Every server there is. Raises one of REDIS_ERRORS while that is not known."""
        layout = await self._known_layout()
        return [self._nodes[place] for place in layout.places]

    async def ask_each(self, keys: Sequence[str], commands: Sequence[Command]) -> list[Reply]:
        """One reply for each key's command; the error itself where its server did not answer."""
        try:
            layout = await self._known_layout()
        except REDIS_ERRORS as error:
            return [error] * len(keys)
        if not self.is_sharded:
            return await _asked(self._nodes[layout.places[0]], commands)
        replies: list[Reply] = [RedisUnreachable("no server has this key now")] * len(keys)
        groups: dict[Place, list[int]] = {}
        for index, key in enumerate(keys):
            place = layout.owner_of(key)
            if place is not None:
                groups.setdefault(place, []).append(index)
        await self._ask_groups(groups, commands, replies)
        await self._follow(commands, replies)
        return replies

    def look_again(self) -> None:
        """Things may have changed; at most one look at a time, and not all the time."""
        now_s = time.monotonic()
        is_looking = self._finding is not None and not self._finding.done()
        if self._finder and not is_looking and now_s - self._looked_at_s >= LOOK_AGAIN_S:
            self._looked_at_s = now_s
            self._finding = asyncio.create_task(self._find(self._finder))

    async def close(self) -> None:
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.wait([self._finding])
        for node in self._nodes.values():
            await node.close()
        if self._finder is not None:
            await self._finder.close()

    async def _known_layout(self) -> Layout:
        if self._layout is None and self._finder is not None:
            if self._first_look.is_set():  # others follow until somebody answers
                raise CircuitOpen("nobody said lately where Redis is")
            if self._finding is None:
                self._finding = asyncio.create_task(self._find_until_known(self._finder))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await self._first_look.wait()
        if self._layout is None:
            raise RedisUnreachable("nobody says where Redis is")
        return self._layout

    async def _find_until_known(self, finder: Finder) -> None:
        while True:
            await self._find(finder)
            self._first_look.set()
            if self._layout is not None:
                return
            await asyncio.sleep(self._search.next_pause_s())

    async def _find(self, finder: Finder) -> None:
        try:
            layout = await finder.find()
        except REDIS_ERRORS:
            return  # what was known is still the best guess
        gone = self._adopt(layout)
        for node in gone:
            await node.close()

    def _adopt(self, layout: Layout) -> list[RedisNode]:
        """Keeps the nodes that stay, with their connections; those that are not needed any more."""
        gone = [self._nodes.pop(place) for place in self._nodes.keys() - {*layout.places}]
        for place in layout.places:
            if place not in self._nodes:
                self._nodes[place] = RedisNode(
                    place,
                    self._address.login,
                    self._metrics,
                    timeout_s=self._timeout_s,
                    on_trouble=self.look_again,
                )
        self._layout = layout
        return gone

    async def _ask_groups(
        self,
        groups: Mapping[Place, Sequence[int]],
        commands: Sequence[Command],
        replies: list[Reply],
        *,
        first: Sequence[Command] = (),
    ) -> None:
        """Asks each place for its commands, of which each comes after `first`."""

        async def ask(place: Place, indices: Sequence[int]) -> None:
            node = self._nodes.get(place)
            if node is None:
                return  # the next look at the layout will find it
            found = await _asked(node, [c for index in indices for c in (*first, commands[index])])
            for index, reply in zip(indices, found[len(first) :: len(first) + 1], strict=True):
                replies[index] = reply

        await asyncio.gather(*(ask(place, indices) for place, indices in groups.items()))

    async def _follow(self, commands: Sequence[Command], replies: list[Reply]) -> None:
        """Keys that moved a moment ago are asked where the servers say they are now, once."""
        moved: dict[Place, list[int]] = {}
        moving: dict[Place, list[int]] = {}
        for index, reply in enumerate(replies):
            if isinstance(reply, ResponseError) and str(reply).startswith(("MOVED ", "ASK ")):
                word, _, place = str(reply).split(" ")
                group = moved if word == "MOVED" else moving
                group.setdefault(_place(place), []).append(index)
        if moved:
            self.look_again()
            await self._ask_groups(moved, commands, replies)
        if moving:
            await self._ask_groups(moving, commands, replies, first=[("ASKING",)])


async def _asked(node: RedisNode, commands: Sequence[Command]) -> list[Reply]:
    try:
        return await node.ask(commands)
    except REDIS_ERRORS as error:
        return [error] * len(commands)


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    return Place(host, int(port))
