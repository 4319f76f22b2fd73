"""Ragged batches as padded steps, and the embeddings that a portable model begins with."""

from typing import Any

import torch
from torch import Tensor

from app.models.interest_model import InterestModel
from app.models.layers.embedding import SideFeatures

# U users, N behaviors of all users, C candidates, T steps, F behavior fields, E their embeddings,
# I embedded profile, S sparse and D dense side fields

Ragged = tuple[Tensor, ...]  # the tensors of a RaggedBatch, in their order


def pad_steps(behaviors_NE: Tensor, lengths_U: Tensor) -> Tensor:
    """[T, U, E]: zero past each user's last behavior; at least one step. TorchScript can do it."""
    users = lengths_U.shape[0]
    longest = 1
    if users > 0:
        longest = max(1, int(lengths_U.max()))
    shape = [longest, users, behaviors_NE.shape[1]]
    padded_TUE = torch.zeros(shape, dtype=behaviors_NE.dtype, device=behaviors_NE.device)
    user_N = torch.repeat_interleave(lengths_U)
    first_U = lengths_U.cumsum(0) - lengths_U
    row_N = torch.arange(behaviors_NE.shape[0], device=lengths_U.device)
    padded_TUE[row_N - first_U[user_N], user_N] = behaviors_NE
    return padded_TUE


def embedded_behaviors(model: InterestModel[Any], ragged: Ragged) -> Tensor:
    """[N, E]: all fields side by side."""
    return torch.cat(list(model.embedding.items(ragged[1]).values()), dim=1)


def embedded_rest(model: InterestModel[Any], ragged: Ragged) -> tuple[Tensor, Tensor, Tensor]:
    """Of users the profile [U, I], of candidates their fields [C, E] and side fields."""
    _, _, _, user_sparse_US, user_dense_UD, candidates_CF, sparse_CS, dense_CD, _ = ragged
    embedding = model.embedding
    return (
        embedding.profile(SideFeatures(user_sparse_US, user_dense_UD)),
        torch.cat(list(embedding.items(candidates_CF).values()), dim=1),
        embedding.candidate_side(SideFeatures(sparse_CS, dense_CD)),
    )
