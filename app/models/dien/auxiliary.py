"""The auxiliary loss: an interest should tell the next behavior from a sampled one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from app.core.schema import PAD_ROW
from app.models.layers.mlp import Mlp
from app.models.layers.ragged import starts_of

# U users, N behaviors of all users, M of them that are predicted, E embedding, H hidden


class AuxiliaryNet(nn.Module):
    """A net on [h_t, e_{t+1}], sigmoid units as in the official code; trained with the model."""

    def __init__(self, hidden: int, embedding: int, units: Sequence[int]) -> None:
        super().__init__()
        self.net = Mlp(hidden + embedding, units, "sigmoid")

    def loss(self, interests_MH: Tensor, clicked_ME: Tensor, sampled_ME: Tensor) -> Tensor:
        """DIEN paper eq. 6 as a mean over M steps with the behaviors that followed; zero of none.

        sampled_ME: a negative drawn for each of them.
        """
        if len(interests_MH) == 0:
            return interests_MH.new_zeros(())
        clicked_M = self.net(torch.cat([interests_MH, clicked_ME], dim=1))
        sampled_M = self.net(torch.cat([interests_MH, sampled_ME], dim=1))
        return binary_cross_entropy_with_logits(
            clicked_M, torch.ones_like(clicked_M)
        ) + binary_cross_entropy_with_logits(sampled_M, torch.zeros_like(sampled_M))


def followed_steps(sampled_N: Tensor, lengths_U: Tensor) -> Tensor:
    """[M]: rows of the behaviors that follow another of their user and have a negative.

    sampled_N: the table row of each behavior's negative; padding where none was drawn.
    """
    follows_N = sampled_N != PAD_ROW
    follows_N[starts_of(lengths_U)[lengths_U > 0]] = False
    return follows_N.nonzero().squeeze(1)
