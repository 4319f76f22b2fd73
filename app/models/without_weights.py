"""Models that have no weights yet: the shapes alone, to be filled with a version's weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@contextmanager
def without_weights() -> Iterator[None]:
    """What is built meanwhile takes no memory, and nothing is drawn for it."""
    with torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    """Without it torch imports its compiler, a second and 70 MiB, to draw what has no place.

    It does so too for a product with a number; not for one in place.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        _types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        named = kwargs or {}
        return named["tensor"] if function is nn.init.normal_ else function(*args, **named)
