"""How well a candidate matches a behavior: one unnormalized score per pair, or one per head.

Every kind prepares its keys once per user (`prepare_keys`) and is then asked for the scores [P, K]
of (candidate, behavior) pairs (`forward`); K is 1 but for attention with several heads.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.models.layers.activation import ActivationName, make_activation
from app.models.layers.mlp import Mlp
from app.models.layers.precision import at_least_single
from app.models.layers.sequences import Pairs, dot_per_head

# N behaviors, C candidates, P pairs, H width of an interest, Q query width, A attention units,
# K heads, D width of a head


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
        return scores_P.unsqueeze(1)


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
        return dot_per_head(pairs, query_CQ, keys_NQ, heads=1)


class DotAttention(nn.Module):
    """h_t . q: nothing to learn."""

    def prepare_keys(self, interests_NH: Tensor) -> Tensor:
        return interests_NH

    def forward(
        self, query_CH: Tensor, interests_NH: Tensor, keys_NH: Tensor, pairs: Pairs
    ) -> Tensor:
        return dot_per_head(pairs, query_CH, keys_NH, heads=1)


class MultiHeadAttention(nn.Module):
    """Scaled dot products of K learned projections (Vaswani et al. 2017, 3.2.2, arXiv 1706.03762).

    A behavior's attention is the mean of its heads', because evolution takes one gate per behavior.
    """

    def __init__(self, width: int, query_width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be divided among {heads} attention heads")
        self.key = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(query_width, width, bias=False)
        self._heads = heads
        self._scale = (width // heads) ** -0.5

    def prepare_keys(self, interests_NH: Tensor) -> Tensor:
        keys_NH: Tensor = self.key(interests_NH)
        return keys_NH

    def forward(
        self, query_CQ: Tensor, interests_NH: Tensor, keys_NH: Tensor, pairs: Pairs
    ) -> Tensor:
        return dot_per_head(pairs, self.query(query_CQ) * self._scale, keys_NH, self._heads)


AttentionKind = MlpAttention | BilinearAttention | DotAttention | MultiHeadAttention


def softmax_over_behaviors(scores_PK: Tensor, pairs: Pairs) -> Tensor:
    """Attention [C, T] that sums to one over each candidate's own behaviors; zero elsewhere."""
    # A large negative number, not -inf: a candidate without behaviors must not become NaN.
    padded_CTK = pairs.to_padded(at_least_single(scores_PK), fill=-1e30)
    real_CT = pairs.to_padded(torch.ones_like(scores_PK[:, 0]), fill=0.0)
    return torch.softmax(padded_CTK, dim=1).mean(dim=2) * real_CT
