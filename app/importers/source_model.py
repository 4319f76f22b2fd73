"""What either library's model comes down to: its own names for features, ours for weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from app.importers.columns import Part, Span, columns_by_part
from app.importers.tower import Tower
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig

# V ids of a feature by their index, E its embedding, H units of the tower's first layer

Architecture = DienConfig | DinConfig
Tensors = Mapping[str, Tensor]  # by our names, relative to the module they are of


@dataclass(frozen=True, slots=True)
class CategoricalFeature:
    """An embedding table and the index that stands for every id that is not known."""

    name: str
    table_VE: Tensor
    oov_index: int


@dataclass(frozen=True, slots=True)
class NumericFeature:
    """One number, or several that come as a list."""

    name: str
    numbers: int


@dataclass(frozen=True, slots=True)
class Network:
    """A model without its features; tensors are in double precision."""

    architecture: Architecture  # whose groups are not named yet
    groups: tuple[tuple[str, ...], ...]  # features of the target that are looked at together
    max_behaviors: int
    interests: tuple[Tensors, ...]  # of each group
    tower: Tower
    inputs: Sequence[Span]  # of the tower

    @property
    def targets(self) -> tuple[str, ...]:
        """Features that behaviors have too."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group))

    def first_columns(self) -> dict[Part, Tensor]:
        """[H, width] of each part that the tower looks at."""
        return columns_by_part(self.tower.first.weight_OI, self.inputs)


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model that can be represented."""

    library: str
    categorical: tuple[CategoricalFeature, ...]
    numeric: tuple[NumericFeature, ...]
    network: Network
    first_columns: Mapping[Part, Tensor]  # [H, numbers of the part]
