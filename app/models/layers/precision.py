"""Where half precision ends, if a model is trained with it."""

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """As it is, unless it has fewer bits than a float: sums over many terms need them."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
