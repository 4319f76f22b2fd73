"""Ragged batches as padded ones, of which no size is below what a compiler can take."""

import torch
from torch import Tensor
from torch.nn.functional import pad

# U users, N behaviors of all users, C candidates, T steps, F behavior fields

Ragged = tuple[Tensor, ...]  # the tensors of a RaggedBatch, in their order


def pad_steps(values_NX: Tensor, lengths_U: Tensor, fewest: int) -> Tensor:
    """[T, U, X]: zero past each user's last behavior; at least so many steps.

    TorchScript can compile it.
    """
    users = lengths_U.shape[0]
    longest = fewest
    if users > 0:
        longest = max(fewest, int(lengths_U.max()))
    shape = [longest, users, values_NX.shape[1]]
    padded_TUX = torch.zeros(shape, dtype=values_NX.dtype, device=values_NX.device)
    user_N = torch.repeat_interleave(lengths_U)
    first_U = lengths_U.cumsum(0) - lengths_U
    row_N = torch.arange(values_NX.shape[0], device=lengths_U.device)
    padded_TUX[row_N - first_U[user_N], user_N] = values_NX
    return padded_TUX


def with_fewest(ragged: Ragged, fewest: int) -> Ragged:
    """Users without behaviors and candidates of nothing behind those of a batch that has fewer."""
    more_U = max(0, fewest - ragged[0].shape[0])
    more_C = max(0, fewest - ragged[-1].shape[0])
    more = (more_U, 0, 0, more_U, more_U, more_C, more_C, more_C, more_C)
    return tuple(
        pad(values, (0, 0) * (values.dim() - 1) + (0, rows)) if rows else values
        for values, rows in zip(ragged, more, strict=True)
    )
