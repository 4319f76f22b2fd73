"""Layers as float64 loops over one vector: of the real ones they know the names of the weights."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]

DICE_EPSILON = 1e-8
LAYER_NORM_EPSILON = 1e-5


class Weights:
    """The weights of one layer, by their names within it."""

    def __init__(self, arrays: Mapping[str, Vector], prefix: str = "") -> None:
        self.arrays = arrays
        self.prefix = prefix

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "Weights":
        return cls({name: value.double().numpy() for name, value in state.items()})

    def __getitem__(self, name: str) -> Vector:
        return self.arrays[self.prefix + name]

    def under(self, layer: str) -> "Weights":
        return Weights(self.arrays, f"{self.prefix}{layer}.")


def sigmoid(x: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-x))


ELEMENTWISE: Mapping[str, Callable[[Vector], Vector]] = {
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "linear": lambda x: x,
}


def softmax(scores: Sequence[float]) -> Vector:
    exponentials = np.exp(np.array(scores))
    return exponentials / exponentials.sum()


def linear(weights: Weights, x: Vector) -> Vector:
    return weights["weight"] @ x + weights["bias"]


def net(weights: Weights, x: Vector, *, depth: int, activation: str) -> float:
    """Linear and activation `depth` times, then Linear to one number."""
    for layer in range(depth):
        x = linear(weights.under(str(2 * layer)), x)
        x = activate(weights.under(str(2 * layer + 1)), x, activation)
    return float(linear(weights.under(str(2 * depth)), x).item())


def activate(weights: Weights, x: Vector, activation: str) -> Vector:
    match activation:
        case "prelu":
            return np.where(x > 0, x, weights["weight"] * x)
        case "dice":
            return gated(weights, x, standardized(weights, x))
        case "affine_dice":
            scale, shift = weights["statistics.weight"], weights["statistics.bias"]
            return gated(weights, x, scale * standardized(weights, x) + shift)
        case _:
            return ELEMENTWISE[activation](x)


def standardized(weights: Weights, x: Vector) -> Vector:
    mean, variance = weights["statistics.running_mean"], weights["statistics.running_var"]
    return (x - mean) / np.sqrt(variance + DICE_EPSILON)


def gated(weights: Weights, x: Vector, gate: Vector) -> Vector:
    """DIN paper, eq. 3."""
    p = sigmoid(gate)
    return p * x + (1.0 - p) * weights["alpha"] * x


def layer_norm(weights: Weights, x: Vector) -> Vector:
    normalized = (x - x.mean()) / np.sqrt(x.var() + LAYER_NORM_EPSILON)
    return weights["weight"] * normalized + weights["bias"]


def encoder_block(
    weights: Weights, rows: Sequence[Vector], heads: int
) -> tuple[list[Vector], Vector]:
    """Vaswani et al. 2017, 3.1 and 3.2 (arXiv 1706.03762), over one sequence.

    Also the share of all attention that each row received.
    """
    contexts, received = [], np.zeros(len(rows))
    for row in rows:
        attended, attention = multi_head_self_attention(weights, row, rows, heads)
        received += attention / len(rows)
        x = layer_norm(weights.under("attention_norm"), row + attended)
        inner = linear(weights.under("feed_forward.0"), x)
        outer = linear(weights.under("feed_forward.2"), np.maximum(inner, 0.0))
        contexts.append(layer_norm(weights.under("feed_forward_norm"), x + outer))
    return contexts, received


def multi_head_self_attention(
    weights: Weights, row: Vector, rows: Sequence[Vector], heads: int
) -> tuple[Vector, Vector]:
    """What one row takes from all of its sequence, and the mean attention of its heads."""
    W_q, W_k, W_v = np.split(weights["inputs.weight"], 3)
    b_q, b_k, b_v = np.split(weights["inputs.bias"], 3)
    head_width = len(row) // heads
    mixed, attentions = [], []
    for head in range(heads):
        own = slice(head * head_width, (head + 1) * head_width)
        q = W_q[own] @ row + b_q[own]
        keys = [W_k[own] @ other + b_k[own] for other in rows]
        values = [W_v[own] @ other + b_v[own] for other in rows]
        attention = softmax([q @ k / np.sqrt(head_width) for k in keys])
        mixed.append(weighted_sum(attention, values, width=head_width))
        attentions.append(attention)
    return linear(weights.under("output"), np.concatenate(mixed)), np.mean(attentions, axis=0)


def weighted_sum(weights: Vector, values: Sequence[Vector], *, width: int) -> Vector:
    total = np.zeros(width)
    for weight, value in zip(weights, values, strict=True):
        total = total + weight * value
    return total
