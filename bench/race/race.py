"""The race: contestants one after the other, again and again, and what each of them did."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.race.agreement import TOLERANCE, Samples, largest_difference
from bench.race.contestants import OURS, Checkpoint, NotStartable, contestant
from bench.race.measuring import Course, Measured
from bench.race.plan import EQUAL_LOAD, MAIN, Plan
from bench.race.running import free_port, running
from bench.race.schedule import UserStream
from bench.race.workload import USERS, KnownIds, Shape, make_requests

Advance = Callable[[str], None]  # says what has been done


@dataclass(slots=True)
class Track:
    """What every contestant meets: model, Redis, ids, samples; and what is known of each."""

    checkpoint: Checkpoint
    redis_url: str
    ids: KnownIds
    samples: Samples
    cache: Path
    skipped: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def course(self, name: str) -> Iterator[Course]:
        """A server that gives the right scores. Raises NotStartable, remembered for later."""
        if name in self.skipped:
            raise NotStartable(self.skipped[name])
        try:
            with self._checked(name) as course:
                yield course
        except NotStartable as problem:
            self.skipped[name] = str(problem)
            raise

    @contextmanager
    def _checked(self, name: str) -> Iterator[Course]:
        port, users = free_port(), UserStream(USERS)
        entry = contestant(
            name, self.checkpoint, redis_url=self.redis_url, port=port, cache=self.cache
        )
        header_and_start, rest = make_requests(MAIN, self.ids, users, 1).wires(entry)[0]
        first_body = header_and_start.partition(b"\r\n\r\n")[2] + rest
        with (
            tempfile.TemporaryDirectory() as work,
            running(entry, port, first_body, self.cache / f"{name}.log") as server,
        ):
            difference = largest_difference(server, self.samples)
            self.differences[name] = max(difference, self.differences.get(name, 0.0))
            if difference > TOLERANCE:
                raise NotStartable(f"its scores differ by {difference:.1e}, so it does not count")
            yield Course(server, self.ids, users, Path(work))


def closed_rounds(track: Track, plan: Plan, advance: Advance) -> list[Measured]:
    """Everybody in a closed loop, A B C A B C: what each can do."""
    found: list[Measured] = []
    for round_ in range(1, plan.rounds + 1):
        for name in plan.contestants:
            # Who is best shows in the main cell, so the other cells wait for everybody's first.
            found += _closed(track, plan, name, (MAIN,), round_)
            advance(f"{name}, closed loop, round {round_}")
    best = best_peers(found, plan.best_peers)
    for round_ in range(1, plan.rounds + 1):
        for name in (OURS, *best):
            cells = plan.cells_of(name, best)[1:]
            found += _closed(track, plan, name, cells, round_) if cells else []
            advance(f"{name}, grid, closed loop, round {round_}")
    return found


def open_rounds(
    track: Track, plan: Plan, closed: Sequence[Measured], advance: Advance
) -> list[Measured]:
    """Everybody at the same load: a share of what the best peer can do in that cell."""
    found: list[Measured] = []
    best = best_peers(closed, plan.best_peers)
    for round_ in range(1, plan.rounds + 1):
        for name in plan.contestants:
            cells = plan.cells_of(name, best)
            try:
                with track.course(name) as course:
                    for shape in cells:
                        rate_per_s = EQUAL_LOAD * best_peer_rate(closed, shape)
                        course.warm_up(shape, plan.warm_up_s)
                        found.append(course.at_equal_load(shape, rate_per_s, plan.open_s, round_))
            except NotStartable:
                continue
            finally:
                advance(f"{name}, open loop, round {round_}")
    return found


def overload(
    track: Track, plan: Plan, closed: Sequence[Measured], advance: Advance
) -> list[Measured]:
    """Ours and the best peer from half to three times of what each can do."""
    found: list[Measured] = []
    for name in (OURS, *best_peers(closed, 1)):
        capacity_per_s = rate_of(closed, name, MAIN)
        try:
            with track.course(name) as course:
                course.warm_up(MAIN, plan.warm_up_s)
                for share in plan.overloads:
                    rate_per_s = share * capacity_per_s
                    found.append(course.overloaded(MAIN, rate_per_s, plan.overload_s))
        except NotStartable:
            continue
        finally:
            advance(f"{name}, overload")
    return found


def costs(track: Track, plan: Plan, closed: Sequence[Measured], advance: Advance) -> list[Measured]:
    """CPU time of a request against its candidates and its behaviors: ours and the best peer."""
    found: list[Measured] = []
    for name in (OURS, *best_peers(closed, 1)) if plan.costs else ():
        found += _closed(track, plan, name, plan.costs, 1, plan.cost_s)
        advance(f"{name}, costs")
    return found


def steps(plan: Plan) -> int:
    """How often `advance` is called at most."""
    everybody = plan.rounds * len(plan.contestants)
    best = plan.rounds * (1 + plan.best_peers)
    return 2 * everybody + best + 2 + (2 if plan.costs else 0)


def best_peers(closed: Sequence[Measured], count: int) -> list[str]:
    """Those that answer most requests/s in the main cell, best first."""
    peers = {measured.contestant for measured in closed} - {OURS}
    return sorted(peers, key=lambda name: -rate_of(closed, name, MAIN))[:count]


def best_peer_rate(closed: Sequence[Measured], shape: Shape) -> float:
    """Requests/s of the peer that answers most in that cell; ours where no peer runs."""
    peers = {measured.contestant for measured in closed} - {OURS}
    rates = [rate_of(closed, name, shape) for name in peers]
    return max(rates, default=0.0) or rate_of(closed, OURS, shape)


def rate_of(measured: Sequence[Measured], name: str, shape: Shape) -> float:
    """The median over rounds; zero where it has not run."""
    rates = [
        run.requests_per_s
        for run in measured
        if run.contestant == name and Shape(run.candidates, run.behaviors, run.hot_share) == shape
    ]
    return median(rates) if rates else 0.0


def _closed(
    track: Track,
    plan: Plan,
    name: str,
    cells: Sequence[Shape],
    round_: int,
    seconds: int | None = None,
) -> list[Measured]:
    found: list[Measured] = []
    try:
        with track.course(name) as course:
            for shape in cells:
                course.warm_up(shape, plan.warm_up_s)
                found.append(course.closed(shape, seconds or plan.closed_s, round_))
    except NotStartable:
        return found
    return found
