"""The processes that train one model together, each a share of every step."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from app.inference.device import resolve_device
from app.training.steps import StepBatch

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together; by default it is alone."""

    rank: int = 0
    count: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """The one that evaluates, writes and tells."""
        return self.rank == 0

    def own_shares(self, step: StepBatch, accumulate: int) -> Iterator[StepBatch]:
        """As many of every process, taken in turn: equally many rounds have equal rows."""
        for number, share in enumerate(step.shares(accumulate * self.count)):
            if number % self.count == self.rank:
                yield share

    def add_gradients(self, model: nn.Module, losses: Sequence[float]) -> list[float]:
        """Sums every gradient and these losses over all processes, in one message."""
        if self.count == 1:
            return list(losses)
        parameters = list(model.parameters())
        parts = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad
            for weight in parameters
        ]
        flat = torch.cat([part.flatten() for part in (*parts, parts[0].new_tensor(losses))])
        dist.all_reduce(flat)
        sizes = [*(part.numel() for part in parts), len(losses)]
        *sums, of_losses = torch.split(flat, sizes)
        for weight, of_weight in zip(parameters, sums, strict=True):
            weight.grad = of_weight.view_as(weight)
        return [float(loss) for loss in of_losses]

    def from_first(self, make: Callable[[], str]) -> str:
        """What the first process makes, in all of them."""
        if self.count == 1:
            return make()
        text = make().encode() if self.is_first else b""
        length = torch.tensor([len(text)], device=self.device)
        dist.broadcast(length, src=0)
        content = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.is_first:
            content = torch.frombuffer(bytearray(text), dtype=torch.uint8).to(self.device)
        dist.broadcast(content, src=0)
        return content.cpu().numpy().tobytes().decode()


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """Those that torchrun started together with this one, or this one alone.

    `cuda` is the GPU with this process's number on its machine. Raises StartupRefused for a device
    that is not there.
    """
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    where = resolve_device(device, option="--device")
    if where.type == "cuda":
        # Matrix products on a GPU are deterministic only with this.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Otherwise every process takes memory of the first GPU too.
        torch.cuda.set_device(where)
    if not dist.is_torchelastic_launched():
        yield Processes(device=where)
        return
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), where)
    finally:
        dist.destroy_process_group()


def sum_over_processes(x: Tensor) -> Tensor:
    """Differentiable: each process's part takes the gradient that it has in all of them."""
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The public differentiable collectives of torch are deprecated, and the others not public."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total
