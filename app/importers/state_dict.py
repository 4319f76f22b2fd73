"""A checkpoint's tensors, asked for by name and shape, so that none is missing or overlooked."""

from collections.abc import Mapping

import torch
from torch import Tensor

from app.errors import StartupRefused


class StateDict:
    """Tensors by name; remembers which of them were of use."""

    def __init__(self, file: str, tensors: Mapping[str, Tensor]) -> None:
        self.file = file
        self._tensors = tensors
        self._unused = set(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def numbered_below(self, prefix: str) -> int:
        """How many different numbers follow `prefix.`, as of the modules of a ModuleList."""
        start = f"{prefix}."
        names = (name for name in self._tensors if name.startswith(start))
        return len({name.removeprefix(start).partition(".")[0] for name in names})

    def take(self, name: str, *shape: int) -> Tensor:
        """The tensor in double precision, to compute with.

        Raises StartupRefused where it is missing, of another shape or not finite.
        """
        return self._checked(name, shape).double()

    def take_table(self, name: str, *shape: int) -> Tensor:
        """The same in single precision: a table is only copied, and may be large."""
        return self._checked(name, shape).float()

    def ignore(self, *prefixes: str) -> None:
        """What starts like this is of no use in serving."""
        self._unused = {name for name in self._unused if not name.startswith(prefixes)}

    def check_all_used(self) -> None:
        """Raises StartupRefused for a tensor that the configured model does not have."""
        if self._unused:
            raise StartupRefused(
                f"{self.file} has {min(self._unused)}, but the model of config.json does not"
            )

    def _checked(self, name: str, shape: tuple[int, ...]) -> Tensor:
        if name not in self._tensors:
            raise StartupRefused(f"{self.file} has no {name}, which config.json asks for")
        tensor = self._tensors[name]
        if tuple(tensor.shape) != shape:
            raise StartupRefused(
                f"{self.file}: {name} is {list(tensor.shape)}, config.json makes it {list(shape)}"
            )
        if tensor.layout != torch.strided or not tensor.is_floating_point():
            raise StartupRefused(f"{self.file}: {name} does not hold ordinary numbers")
        if not tensor.isfinite().all():
            raise StartupRefused(f"{self.file}: {name} is not finite")
        self._unused.discard(name)
        return tensor
