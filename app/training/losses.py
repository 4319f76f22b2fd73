"""The click loss: cross entropy, with more weight on clicks or on what is hard to tell."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from app.training.options import LossOptions

# C candidates

SMALLEST_MISS = 1e-9  # a root of zero has no gradient


def click_loss(
    logits_C: Tensor, labels_C: Tensor, weights_C: Tensor, options: LossOptions
) -> Tensor:
    """The weighted sum over the candidates, to be divided by the weights of the whole step.

    With a gamma it is the focal loss (Lin et al. 2017, arXiv 1708.02002, eq. 4): what the model
    already gives a probability p to counts (1 - p)^gamma.
    """
    losses_C = binary_cross_entropy_with_logits(logits_C, labels_C, reduction="none")
    if options.focal_gamma:
        missed_C = torch.sigmoid(torch.where(labels_C > 0, -logits_C, logits_C))
        losses_C = losses_C * missed_C.clamp_min(SMALLEST_MISS).pow(options.focal_gamma)
    if options.positive_weight != 1:
        weights_C = torch.where(labels_C > 0, weights_C * options.positive_weight, weights_C)
    return (losses_C * weights_C).sum()
