"""What the columns of a first layer stand for, so that they can be put into another order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

# H units of the layer, I its inputs


class Part(NamedTuple):
    """Something that the last tower looks at."""

    kind: Literal["feature", "interest", "sum", "product"]
    of: str | int  # a feature by its name, the others by their group


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive inputs of a layer: numbers of a part, from its own `start` on."""

    part: Part
    width: int
    start: int = 0


def columns_by_part(weight_HI: Tensor, spans: Sequence[Span]) -> dict[Part, Tensor]:
    """Each part's columns in its own order; `spans` is the order of the layer's inputs."""
    pieces: dict[Part, dict[int, Tensor]] = {}
    first = 0
    for span in spans:
        pieces.setdefault(span.part, {})[span.start] = weight_HI[:, first : first + span.width]
        first += span.width
    return {
        part: torch.cat([columns for _, columns in sorted(by_start.items())], dim=1)
        for part, by_start in pieces.items()
    }


def width_of(spans: Sequence[Span]) -> int:
    """I, the inputs that the spans describe."""
    return sum(span.width for span in spans)


def positions(widths: Sequence[tuple[str, int]], order: Sequence[str]) -> list[int]:
    """Where the numbers of features that lie in this `order` are when they lie as in `widths`."""
    starts, first = {}, 0
    for name, width in widths:
        starts[name] = range(first, first + width)
        first += width
    return [index for name in order for index in starts[name]]
