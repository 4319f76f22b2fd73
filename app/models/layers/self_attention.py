"""Self-attention within sequences: what a behavior means beside the others of its sequence."""

import torch
from torch import Tensor, nn

from app.models.layers.precision import at_least_single
from app.models.layers.sequences import Groups, Pairs, dot_per_head

# R sequences, N rows of all sequences, P pairs of rows of one sequence, H width, K heads


class SelfAttention(nn.Module):
    """A transformer encoder block (Vaswani et al. 2017, 3.1): attention, then a feed-forward net.

    Residual connection and layer normalization follow each of them, as in the DSIN paper, 3.3.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be divided among {heads} attention heads")
        self._heads = heads
        self._head_width = width // heads
        self._scale = self._head_width**-0.5
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )
        self.feed_forward_norm = nn.LayerNorm(width)

    def forward(self, x_NH: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
        """The rows in context [N, H], and the share of attention [N] that each one received.

        The shares of a sequence sum to one: they are means over heads and over who attends.
        """
        # To each row that it attends to, a row is a "candidate".
        pairs = groups.own_pairs()
        query_NH, key_NH, value_NH = self.inputs(x_NH).chunk(3, dim=1)
        scores_PK = dot_per_head(pairs, query_NH * self._scale, key_NH, self._heads)
        weights_PK = self._softmax(scores_PK, pairs)
        values_PKD = pairs.behaviors_of(value_NH).view(*weights_PK.shape, self._head_width)
        mixed_NH = pairs.sum_per_candidate((weights_PK.unsqueeze(2) * values_PKD).flatten(1))
        attended_NH = self.attention_norm(x_NH + self.output(mixed_NH))
        context_NH = self.feed_forward_norm(attended_NH + self.feed_forward(attended_NH))
        return context_NH, _received(weights_PK, pairs, groups)

    @staticmethod
    def _softmax(scores_PK: Tensor, pairs: Pairs) -> Tensor:
        padded_NTK = pairs.to_padded(at_least_single(scores_PK), fill=-1e30)
        return pairs.from_padded(torch.softmax(padded_NTK, dim=1))


def _received(weights_PK: Tensor, pairs: Pairs, groups: Groups) -> Tensor:
    lengths_N = groups.lengths_R[groups.sequence_of_each()]
    # Where there is padding, an empty sequence has rows.
    return pairs.sum_per_behavior(weights_PK.mean(dim=1), lengths_N.shape[0]) / lengths_N.clamp(
        min=1
    )
