"""C structures that point to arrays, and the arrays, kept alive together."""

from collections.abc import Sequence
from ctypes import Array, Structure, pointer
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Struct = TypeVar("Struct", bound=Structure)


class Arena:
    """Whatever was given to the kernel lives as long as this does."""

    def __init__(self) -> None:
        self._alive: list[object] = []

    def address(self, values: Tensor | NDArray[Any]) -> int:
        """Of a contiguous array; a tensor on the CPU shares its memory."""
        array = values.numpy() if isinstance(values, Tensor) else values
        array = np.ascontiguousarray(array)
        self._alive.append(array)
        return array.ctypes.data

    def pointer_to(self, structure: Struct) -> Any:  # noqa: ANN401 - a ctypes pointer
        self._alive.append(structure)
        return pointer(structure)

    def array_of(self, structures: Sequence[Struct], of_type: type[Struct]) -> Array[Struct]:
        """Side by side, as C wants them."""
        array = (of_type * max(len(structures), 1))(*structures)
        self._alive.append(array)
        return array
