"""One run against one running server: load from the client or wrk, and CPU time on both sides."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bench.race.client import Address, Wire, closed_loop, open_loop
from bench.race.latency import Summary, goodput_per_s, summarize
from bench.race.running import Running
from bench.race.schedule import UserStream, poisson_times
from bench.race.workload import KnownIds, Shape, make_requests
from bench.race.wrk import run_wrk, wrk_is_here

CONNECTIONS = 8
CLOSED_LOOPS = (8, 16)  # connections: the better one of them counts, whosesoever it is
REQUESTS_PER_S = 3_000  # more than anybody answers: bodies for a run are made before it
PATIENCE_S = 10.0  # so long that ours has no reason to score less than the whole history
OVERLOAD_DEADLINE_S = 0.25  # an answer that comes later is not a good one

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Measured:
    """A run of one contestant in one cell."""

    contestant: str
    round: int
    candidates: int
    behaviors: int
    hot_share: float
    load: str  # wrk, closed or open
    offered_per_s: float  # 0 in a closed loop
    requests: int
    refused: int
    unanswered: int
    degraded: int  # of the good answers, those with a shorter history; see docs/ladder.md
    requests_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    send_lag_p99_ms: float
    goodput_per_s: float  # answered well within the deadline of its requests; 0 in a closed loop
    core_ms: float  # CPU time of the server for each good answer
    client_cpu_share: float  # of one core


class Course:
    """Asks one running server; users go on from run to run, so that fresh ones stay fresh."""

    def __init__(self, server: Running, ids: KnownIds, users: UserStream, work: Path) -> None:
        self._server = server
        self._ids = ids
        self._users = users
        self._work = work
        self._address = Address("127.0.0.1", server.port)

    def warm_up(self, shape: Shape, seconds: float) -> None:
        wires = self._patient_wires(shape, seconds)
        closed_loop(self._address, wires, connections=CONNECTIONS, seconds=seconds)

    def closed(self, shape: Shape, seconds: int, round_: int) -> Measured:
        """Whole work, with as many connections as suit the server best."""
        runs = [
            self._closed_with(connections, shape, seconds, round_) for connections in CLOSED_LOOPS
        ]
        return max(runs, key=lambda run: run.requests_per_s)

    def _closed_with(self, connections: int, shape: Shape, seconds: int, round_: int) -> Measured:
        """By wrk where it is on PATH, by our own client elsewhere."""
        wires = self._patient_wires(shape, seconds)
        if not wrk_is_here():
            run = self._timed(
                lambda: summarize(
                    closed_loop(self._address, wires, connections=connections, seconds=seconds)
                )
            )
            return self._measured(shape, round_, "closed", run.result, run)
        wrk = self._timed(
            lambda: run_wrk(
                self._address, wires, self._work, connections=connections, seconds=seconds
            )
        )
        found = wrk.result
        summary = Summary(
            requests=found.requests,
            good=found.good,
            refused=found.refused,
            unanswered=found.unanswered,
            seconds=found.seconds,
            requests_per_s=found.good / found.seconds,
            p50_ms=found.p50_ms,
            p90_ms=found.p90_ms,
            p99_ms=found.p99_ms,
            max_ms=found.max_ms,
            send_lag_p99_ms=0.0,
        )
        return self._measured(shape, round_, "wrk", summary, wrk)

    def at_equal_load(
        self, shape: Shape, rate_per_s: float, seconds: float, round_: int
    ) -> Measured:
        """Whole work, at a rate that the server can keep up with."""
        return self._open(shape, rate_per_s, seconds, round_, PATIENCE_S)

    def overloaded(self, shape: Shape, rate_per_s: float, seconds: float) -> Measured:
        """Requests say how soon they want to be answered: what is late is worth nothing."""
        return self._open(shape, rate_per_s, seconds, 1, OVERLOAD_DEADLINE_S)

    def _open(
        self, shape: Shape, rate_per_s: float, seconds: float, round_: int, deadline_s: float
    ) -> Measured:
        """Poisson arrivals, the same for every contestant of a round."""
        times_s = poisson_times(rate_per_s, seconds, seed=round_)
        wires = self._wires(shape, len(times_s), deadline_s)
        run = self._timed(lambda: open_loop(self._address, wires, times_s))
        goodput = goodput_per_s(run.result, within_s=deadline_s, offered_s=seconds)
        summary = summarize(run.result)
        return self._measured(shape, round_, "open", summary, run, rate_per_s, goodput)

    def _patient_wires(self, shape: Shape, seconds: float) -> list[Wire]:
        return self._wires(shape, int(REQUESTS_PER_S * seconds), PATIENCE_S)

    def _wires(self, shape: Shape, count: int, deadline_s: float) -> list[Wire]:
        requests = make_requests(shape, self._ids, self._users, count)
        return requests.wires(self._server.contestant, deadline_s=deadline_s)

    def _timed(self, run: Callable[[], Result]) -> "_Timed[Result]":
        degraded = self._server.degraded()
        server_s, client_s = self._server.cpu_s(), _client_cpu_s()
        result = run()
        server_s, client_s = self._server.cpu_s() - server_s, _client_cpu_s() - client_s
        return _Timed(result, server_s, client_s, self._server.degraded() - degraded)

    def _measured(
        self,
        shape: Shape,
        round_: int,
        load: str,
        summary: Summary,
        run: "_Timed[Any]",
        *of_open_loop: float,
    ) -> Measured:
        offered_per_s, goodput = of_open_loop or (0.0, 0.0)
        return Measured(
            contestant=self._server.contestant.name,
            round=round_,
            candidates=shape.candidates,
            behaviors=shape.behaviors,
            hot_share=shape.hot_share,
            load=load,
            offered_per_s=offered_per_s,
            requests=summary.requests,
            refused=summary.refused,
            unanswered=summary.unanswered,
            degraded=run.degraded,
            requests_per_s=summary.requests_per_s,
            p50_ms=summary.p50_ms,
            p90_ms=summary.p90_ms,
            p99_ms=summary.p99_ms,
            max_ms=summary.max_ms,
            send_lag_p99_ms=summary.send_lag_p99_ms,
            goodput_per_s=goodput,
            core_ms=run.server_cpu_s / max(1, summary.good) * 1e3,
            client_cpu_share=run.client_cpu_s / summary.seconds if summary.seconds else 0.0,
        )


@dataclass(frozen=True, slots=True)
class _Timed(Generic[Result]):
    """A run's result, the CPU seconds that it took on either side, and its degraded answers."""

    result: Result
    server_cpu_s: float
    client_cpu_s: float
    degraded: int


def _client_cpu_s() -> float:
    """Of this process and of those that it has waited for: wrk is one of them."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
