"""A stack of linear layers as both libraries have it, and its tensors under our names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from app.models.layers.activation import ActivationName

# O units, I inputs

BATCH_NORM_EPS = 1e-5  # torch's default, which both libraries keep


@dataclass(frozen=True, slots=True)
class Linear:
    """y = W x + b."""

    weight_OI: Tensor
    bias_O: Tensor

    def normalized(
        self, gamma_O: Tensor, beta_O: Tensor, mean_O: Tensor, variance_O: Tensor
    ) -> "Linear":
        """This layer with the batch norm behind it, whose running statistics do not change."""
        scale_O = gamma_O / torch.sqrt(variance_O + BATCH_NORM_EPS)
        return Linear(
            self.weight_OI * scale_O.unsqueeze(1), (self.bias_O - mean_O) * scale_O + beta_O
        )


@dataclass(frozen=True, slots=True)
class HiddenLayer:
    """A linear layer and the tensors of the activation behind it, under our names."""

    linear: Linear
    activation: Mapping[str, Tensor]

    def tensors(self, linear: str, activation: str) -> Iterator[tuple[str, Tensor]]:
        yield from _of_linear(linear, self.linear)
        for name, tensor in self.activation.items():
            yield f"{activation}.{name}", tensor


@dataclass(frozen=True, slots=True)
class Tower:
    """Hidden layers with one kind of activation, then one number."""

    hidden: tuple[HiddenLayer, ...]
    output: Linear
    activation: ActivationName

    @property
    def units(self) -> tuple[int, ...]:
        return tuple(len(layer.linear.bias_O) for layer in self.hidden)

    @property
    def first(self) -> Linear:
        """The layer that sees the inputs."""
        return self.hidden[0].linear if self.hidden else self.output

    def with_first_weight(self, weight_OI: Tensor) -> "Tower":
        """The same over other inputs."""
        first = Linear(weight_OI, self.first.bias_O)
        if not self.hidden:
            return replace(self, output=first)
        return replace(self, hidden=(replace(self.hidden[0], linear=first), *self.hidden[1:]))

    def as_mlp(self, prefix: str) -> dict[str, Tensor]:
        """The tensors of an `Mlp`."""
        tensors: dict[str, Tensor] = {}
        for index, layer in enumerate(self.hidden):
            tensors |= layer.tensors(
                f"{prefix}.layers.{2 * index}", f"{prefix}.layers.{2 * index + 1}"
            )
        return tensors | dict(_of_linear(f"{prefix}.layers.{2 * len(self.hidden)}", self.output))

    def as_attention(self, prefix: str) -> dict[str, Tensor]:
        """The tensors of an `MlpAttention`, whose first layer stands apart."""
        first, *rest = self.hidden
        tensors = dict(first.tensors(f"{prefix}.first", f"{prefix}.activation"))
        return tensors | replace(self, hidden=tuple(rest)).as_mlp(f"{prefix}.rest")


def _of_linear(prefix: str, linear: Linear) -> Iterator[tuple[str, Tensor]]:
    yield f"{prefix}.weight", linear.weight_OI
    yield f"{prefix}.bias", linear.bias_O
