"""What the libraries compute for one row, by their definitions: double precision, plain loops."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]
Weights = Mapping[str, Vector]


def in_double(tensors: Mapping[str, Tensor]) -> Weights:
    return {name: tensor.double().numpy() for name, tensor in tensors.items()}


def sigmoid(x: Vector) -> Vector:
    return 1 / (1 + np.exp(-x))


def linear(w: Weights, name: str, x: Vector) -> Vector:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def standardized(w: Weights, name: str, x: Vector, eps: float) -> Vector:
    return (x - w[f"{name}.running_mean"]) / np.sqrt(w[f"{name}.running_var"] + eps)


def batch_norm(w: Weights, name: str, x: Vector, eps: float = 1e-5) -> Vector:
    return standardized(w, name, x, eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def gated(x: Vector, p: Vector, alpha: Vector) -> Vector:
    return p * x + alpha * (1 - p) * x


def softmax(scores: Vector) -> Vector:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def deepctr_din(
    w: Weights, user: int, target: Sequence[int], history: Sequence[Sequence[int]], score: Vector
) -> float:
    """history: pairs of item and category, padded with zeros; all of them, if none is real."""
    tables = [w[f"embedding_dict.{name}.weight"] for name in ("item_id", "cate_id")]
    query = np.concatenate([table[index] for table, index in zip(tables, target, strict=True)])
    behaviors = history or [(0, 0)]
    keys = [
        np.concatenate([table[index] for table, index in zip(tables, pair, strict=True)])
        for pair in behaviors
    ]
    unit = "attention.local_att"
    scores = []
    for key in keys:
        x = linear(
            w, f"{unit}.dnn.linears.0", np.concatenate([query, key, query - key, query * key])
        )
        p = sigmoid(batch_norm(w, f"{unit}.dnn.activation_layers.0.bn", x, 1e-8))
        hidden = gated(x, p, w[f"{unit}.dnn.activation_layers.0.alpha"][:, 0])
        scores.append(linear(w, f"{unit}.dense", hidden)[0])
    pooled = sum(a * key for a, key in zip(softmax(np.array(scores)), keys, strict=True))
    inputs = np.concatenate([w["embedding_dict.user.weight"][user], query, pooled, score])
    x = batch_norm(w, "dnn.bn.0", linear(w, "dnn.linears.0", inputs))
    hidden = np.where(x > 0, x, w["dnn.activation_layers.0.weight"][0] * x)
    return float(sigmoid(w["dnn_linear.weight"][0] @ hidden + w["out.bias"][0]))


def fuxictr_dien(
    w: Weights,
    user: int,
    target: Sequence[int],
    history: Sequence[Sequence[int]],
    price: float,
    *,
    pairs: Sequence[Sequence[int]] = ((0, 1),),
) -> float:
    """history: items with categories, without padding; pairs: which of both belong together."""
    prefix = "embedding_layer.embedding_layers"
    tables = [w[f"{prefix}.{name}.weight"] for name in ("item_id", "cate_id")]
    inputs = []
    for index, pair in enumerate(pairs):
        query = np.concatenate([tables[field][target[field]] for field in pair])
        keys = [np.concatenate([tables[field][ids[field]] for field in pair]) for ids in history]
        total = sum(keys, start=np.zeros(len(query)))
        inputs += [_evolved(w, index, query, keys), total, query * total]
    inputs.append(w[f"{prefix}.user_id.weight"][user])
    inputs.append(w[f"{prefix}.price.weight"][:, 0] * price)
    inputs += [table[index] for table, index in zip(tables, target, strict=True)]
    x = batch_norm(w, "dnn.mlp.1", linear(w, "dnn.mlp.0", np.concatenate(inputs)))
    p = sigmoid(standardized(w, "dnn.mlp.2.bn", x, 1e-9))
    hidden = gated(x, p, w["dnn.mlp.2.alpha"])
    return float(sigmoid(linear(w, "dnn.mlp.4", hidden))[0])


def _evolved(w: Weights, pair: int, query: Vector, keys: Sequence[Vector]) -> Vector:
    state = np.zeros(len(query))
    if not keys:
        return state
    interests = _torch_gru(w, f"extraction_modules.{pair}", keys)
    kernel = w[f"attention_modules.{pair}.W_kernel"]
    attention = softmax(np.array([h @ kernel @ query for h in interests]))
    for a, h in zip(attention, interests, strict=True):
        state = _augru(w, f"evolving_modules.{pair}.gru_cell", h, state, float(a))
    return state


def _torch_gru(w: Weights, name: str, inputs: Sequence[Vector]) -> list[Vector]:
    state, states = np.zeros(len(inputs[0])), []
    for x in inputs:
        from_x = w[f"{name}.weight_ih_l0"] @ x + w[f"{name}.bias_ih_l0"]
        from_h = w[f"{name}.weight_hh_l0"] @ state + w[f"{name}.bias_hh_l0"]
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(from_x, 3), np.split(from_h, 3)
        keep = sigmoid(x_z + h_z)
        new = np.tanh(x_n + sigmoid(x_r + h_r) * h_n)
        state = keep * state + (1 - keep) * new
        states.append(state)
    return states


def _augru(w: Weights, name: str, x: Vector, state: Vector, attention: float) -> Vector:
    x_u, x_r, x_n = np.split(linear(w, f"{name}.x2h", x), 3)
    h_u, h_r, h_n = np.split(linear(w, f"{name}.h2h", state), 3)
    write = attention * sigmoid(x_u + h_u)
    new = np.tanh(x_n + sigmoid(x_r + h_r) * h_n)
    return (1 - write) * state + write * new
