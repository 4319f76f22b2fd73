"""Target attention: how much each behavior of a user matters to a candidate.

Every kind prepares its keys once per user (`prepare_keys`) and is then asked for one unnormalized
score per (candidate, behavior) pair (`forward`).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from app.models.layers.activation import ActivationName, make_activation
from app.models.layers.mlp import Mlp
from app.models.layers.ragged import Pairs

# N behaviors, C candidates, P pairs, H hidden, Q query width, A attention units

AttentionName = Literal["mlp", "bilinear", "dot"]


class MlpAttention(nn.Module):
    """A small net on [q, h, q - h, q * h], as the official DIEN code and DIN's activation unit.

    Its first layer W is split into columns W_q, W_h, W_d, W_p, because
    W [q, h, q-h, q*h] = (W_q + W_d) q + (W_h - W_d) h + W_p (q * h): the middle term is the user's,
    the first the candidate's, and only the last belongs to a pair.
    """

    def __init__(self, width: int, units: Sequence[int], activation: ActivationName) -> None:
        super().__init__()
        first, *rest = units
        self.first = nn.Linear(4 * width, first)
        self.activation = make_activation(activation, first)
        self.rest = Mlp(first, rest, activation)

    def prepare_keys(self, interests_NH: Tensor) -> Tensor:
        _, w_h, w_d, _ = self.first.weight.chunk(4, dim=1)
        return interests_NH @ (w_h - w_d).T

    def forward(
        self, query_CH: Tensor, interests_NH: Tensor, keys_NA: Tensor, pairs: Pairs
    ) -> Tensor:
        w_q, _, w_d, w_p = self.first.weight.chunk(4, dim=1)
        query_half_CA = torch.addmm(self.first.bias, query_CH, (w_q + w_d).T)
        product_PH = pairs.candidates_of(query_CH) * pairs.behaviors_of(interests_NH)
        halves_PA = pairs.candidates_of(query_half_CA) + pairs.behaviors_of(keys_NA)
        hidden_PA = self.activation(torch.addmm(halves_PA, product_PH, w_p.T))
        scores_P: Tensor = self.rest(hidden_PA)
        return scores_P


class BilinearAttention(nn.Module):
    """h_t W q, the DIEN paper's eq. 8 before its softmax."""

    def __init__(self, width: int, query_width: int) -> None:
        super().__init__()
        self.weight_HQ = nn.Parameter(torch.empty(width, query_width))
        nn.init.xavier_uniform_(self.weight_HQ)

    def prepare_keys(self, interests_NH: Tensor) -> Tensor:
        return interests_NH @ self.weight_HQ

    def forward(
        self, query_CQ: Tensor, interests_NH: Tensor, keys_NQ: Tensor, pairs: Pairs
    ) -> Tensor:
        return _dot_pairs(query_CQ, keys_NQ, pairs)


class DotAttention(nn.Module):
    """h_t . q: nothing to learn."""

    def prepare_keys(self, interests_NH: Tensor) -> Tensor:
        return interests_NH

    def forward(
        self, query_CH: Tensor, interests_NH: Tensor, keys_NH: Tensor, pairs: Pairs
    ) -> Tensor:
        return _dot_pairs(query_CH, keys_NH, pairs)


TargetAttention = MlpAttention | BilinearAttention | DotAttention


def _dot_pairs(query_CQ: Tensor, keys_NQ: Tensor, pairs: Pairs) -> Tensor:
    return (pairs.candidates_of(query_CQ) * pairs.behaviors_of(keys_NQ)).sum(dim=1)


def softmax_over_behaviors(scores_P: Tensor, pairs: Pairs) -> Tensor:
    """Attention [C, T] that sums to one over each candidate's own behaviors; zero elsewhere."""
    # A large negative number, not -inf: a candidate without behaviors must not become NaN.
    padded_CT = pairs.to_padded(scores_P, fill=-1e30)
    real_CT = pairs.to_padded(torch.ones_like(scores_P), fill=0.0)
    return torch.softmax(padded_CT, dim=1) * real_CT
