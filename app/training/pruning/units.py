"""Hidden units that hardly matter leave their net, which then is an ordinary smaller one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from app.models.interest_model import InterestModel
from app.models.layers.attention import MlpAttention

# H hidden units of a layer, K of them kept

Weights = Mapping[str, Tensor]
Stack = Sequence[tuple[str, nn.Module]]  # linear layers and what lies between them, by name


def last_mlp(model: InterestModel[Any]) -> Stack:
    """The net that ends in the logit."""
    return _named("mlp.layers", model.mlp.layers)


def attention_nets(model: InterestModel[Any]) -> list[Stack]:
    """The net of every attention that has one; their layers are equally wide."""
    return [
        [
            (f"{name}.first", module.first),
            (f"{name}.activation", module.activation),
            *_named(f"{name}.rest.layers", module.rest.layers),
        ]
        for name, module in model.named_modules()
        if isinstance(module, MlpAttention)
    ]


def prune_units(weights: Weights, stack: Stack, share: float) -> dict[str, Tensor]:
    """All weights, without this share of the units of each hidden layer of the stack.

    Those go whose magnitude |incoming weights and bias| * |outgoing weights| is smallest. Of a
    unit with a piecewise linear activation it is the same however the unit is scaled, as is what
    the unit says; it is zero where leaving the unit out changes nothing. One unit always stays.
    """
    pruned = dict(weights)
    for hidden, following in _hidden_layers(stack):
        kept_K = _strongest(weights, hidden[0], following, share)
        for name in hidden:
            pruned |= {
                key: tensor.index_select(0, kept_K)
                for key, tensor in pruned.items()
                if key.startswith(f"{name}.") and tensor.dim() > 0
            }
        key = f"{following}.weight"
        pruned[key] = pruned[key].index_select(1, kept_K)
    return pruned


def hidden_units(weights: Weights, stack: Stack) -> tuple[int, ...]:
    """How many units each hidden layer of the stack has."""
    return tuple(len(weights[f"{hidden[0]}.bias"]) for hidden, _ in _hidden_layers(stack))


def _named(prefix: str, layers: nn.Sequential) -> list[tuple[str, nn.Module]]:
    return [(f"{prefix}.{index}", layer) for index, layer in enumerate(layers)]


def _hidden_layers(stack: Stack) -> Iterator[tuple[list[str], str]]:
    """Each hidden layer: a linear one with all that is as wide as it, and the next linear one."""
    linear = [index for index, (_, layer) in enumerate(stack) if isinstance(layer, nn.Linear)]
    for first, following in pairwise(linear):
        yield [name for name, _ in stack[first:following]], stack[following][0]


def _strongest(weights: Weights, linear: str, following: str, share: float) -> Tensor:
    """Which units stay, in their order."""
    incoming_HI = torch.column_stack([weights[f"{linear}.weight"], weights[f"{linear}.bias"]])
    outgoing_OH = weights[f"{following}.weight"]
    magnitude_H = incoming_HI.norm(dim=1) * outgoing_OH.norm(dim=0)
    kept = max(1, len(magnitude_H) - round(share * len(magnitude_H)))
    order_H = torch.argsort(magnitude_H, descending=True, stable=True)
    return order_H[:kept].sort().values
