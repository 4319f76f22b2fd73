"""The auxiliary loss: an interest should tell the next behavior from a sampled one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from app.models.layers.mlp import Mlp
from app.models.layers.ragged import starts_of

# N behaviors of all users, M of them with a next one, E embedding, H hidden


class AuxiliaryNet(nn.Module):
    """A net on [h_t, e_{t+1}], sigmoid units as in the official code; trained with the model."""

    def __init__(self, hidden: int, embedding: int, units: Sequence[int]) -> None:
        super().__init__()
        self.net = Mlp(hidden + embedding, units, "sigmoid")

    def loss(
        self, interests_NH: Tensor, clicked_NE: Tensor, sampled_NE: Tensor, lengths_U: Tensor
    ) -> Tensor:
        """DIEN paper eq. 6 as a mean over the real steps that have a next one; zero without any.

        clicked_NE: the behaviors themselves; sampled_NE: a negative drawn for each of them.
        """
        is_first_N = torch.zeros(len(interests_NH), dtype=torch.bool, device=lengths_U.device)
        is_first_N[starts_of(lengths_U)[lengths_U > 0]] = True
        next_M = (~is_first_N).nonzero().squeeze(1)
        if len(next_M) == 0:
            return interests_NH.new_zeros(())
        interest_MH = interests_NH[next_M - 1]
        clicked_M = self.net(torch.cat([interest_MH, clicked_NE[next_M]], dim=1))
        sampled_M = self.net(torch.cat([interest_MH, sampled_NE[next_M]], dim=1))
        return binary_cross_entropy_with_logits(
            clicked_M, torch.ones_like(clicked_M)
        ) + binary_cross_entropy_with_logits(sampled_M, torch.zeros_like(sampled_M))
