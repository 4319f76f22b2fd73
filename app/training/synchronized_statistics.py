"""Batch statistics over the shares of all processes, so that they are those of the whole batch."""

import torch
from torch import Tensor, nn

from app.models.layers.activation import BatchStatistics
from app.training.processes import sum_over_processes

# R rows of this process, H channels


class SynchronizedStatistics(BatchStatistics):
    """In training: mean and variance of the rows of all processes; a process may have none."""

    def forward(self, x_RH: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x_RH)
        x_RH = x_RH.float()
        rows = float(sum_over_processes(x_RH.new_tensor([len(x_RH)])))
        if rows < 2:
            return self.standardize_by_running(x_RH)
        mean_H = sum_over_processes(x_RH.sum(dim=0)) / rows
        variance_H = sum_over_processes((x_RH - mean_H).square().sum(dim=0)) / rows
        self._remember(mean_H.detach(), variance_H.detach() * rows / (rows - 1))
        standardized_RH = (x_RH - mean_H) * torch.rsqrt(variance_H + self.eps)
        return standardized_RH * self.weight + self.bias if self.affine else standardized_RH

    def _remember(self, mean_H: Tensor, unbiased_variance_H: Tensor) -> None:
        """As torch does."""
        batches = self.get_buffer("num_batches_tracked")
        batches += 1
        share = 1 / int(batches) if self.momentum is None else self.momentum
        self.get_buffer("running_mean").lerp_(mean_H, share)
        self.get_buffer("running_var").lerp_(unbiased_variance_H, share)


def synchronize_statistics(model: nn.Module) -> None:
    """Puts these in the place of the model's own, with everything that they have learned."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, BatchStatistics):
                setattr(module, name, _synchronized(child))


def _synchronized(own: BatchStatistics) -> SynchronizedStatistics:
    synchronized = SynchronizedStatistics(
        own.num_features, eps=own.eps, momentum=own.momentum, affine=own.affine
    )
    synchronized.load_state_dict(own.state_dict())
    return synchronized.to(own.get_buffer("running_mean").device)
