"""What is measured, for how long, and how much of it there is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from bench.race.contestants import CONTESTANTS, OURS
from bench.race.workload import Shape

MAIN = Shape(100, 50, 0.0)
GRID = tuple(
    Shape(*cell) for cell in product((20, 100, 400), (20, 50, 100), (0.0, 0.5))
)  # candidates, behaviors, share of hot users
COST_SHAPES = (
    *(Shape(candidates, 50, 0.0) for candidates in (20, 50, 100, 200, 300, 400)),
    *(Shape(100, behaviors, 0.0) for behaviors in (10, 20, 35, 75, 100)),
)
OVERLOADS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # of what the contestant can do
EQUAL_LOAD = 0.7  # of what the best peer can do


@dataclass(frozen=True, slots=True)
class Plan:
    """Bounded: so many contestants, rounds, cells and seconds, and no more."""

    contestants: Sequence[str] = CONTESTANTS
    cells: Sequence[Shape] = GRID  # of ours and the best peers; the others run the main one
    best_peers: int = 2
    rounds: int = 2
    warm_up_s: float = 2.0
    closed_s: int = 5
    open_s: float = 8.0
    overloads: Sequence[float] = OVERLOADS
    overload_s: float = 8.0
    costs: Sequence[Shape] = COST_SHAPES
    cost_s: int = 4
    compute: bool = True
    behaviors: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        lengths = {shape.behaviors for shape in (MAIN, *self.cells, *self.costs)}
        object.__setattr__(self, "behaviors", sorted(lengths))

    def cells_of(self, contestant: str, best_peers: Sequence[str]) -> Sequence[Shape]:
        """The main one first: it decides who the best peers are."""
        if contestant != OURS and contestant not in best_peers:
            return (MAIN,)
        return (MAIN, *(cell for cell in self.cells if cell != MAIN))


def quick(contestants: Sequence[str] = CONTESTANTS) -> Plan:
    """100 candidates and 50 behaviors only."""
    return Plan(
        contestants=contestants, cells=(MAIN,), closed_s=4, open_s=6, overload_s=4, costs=()
    )
