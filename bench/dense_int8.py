"""Whether dense layers in 8 bits pay: float32 against int8, by torch itself and by torchao.

    python -m bench.dense_int8 STORE NAME[@VERSION]

Of a DIEN with mlp attention, the layers of the attention and of the last MLP multiply in int8
(weights once, inputs anew in every batch); tables, recurrences and the rest stay float32. Times are
those of random ids, 50 behaviors and 100 candidates, one thread, in turns; differences those on the
held-out samples that the version keeps. torchao is left out where it is not installed, and compiled
it needs a C++ compiler.
"""

import argparse
import copy
import importlib.util
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from app.inference.engine import Engine
from app.inference.torch_process import prepare_torch
from app.models.dien.model import Dien
from app.models.layers.attention import MlpAttention
from app.models.layers.sequences import Pairs
from app.registry.exports.held_out import held_out_of
from app.registry.exports.quality import compare
from app.registry.model_store import ModelStore
from app.registry.trained_model import trained_model
from app.registry.version_reference import resolve
from bench.random_batch import BEHAVIORS, CANDIDATES, draw_batch

# P pairs of candidate and behavior, C candidates, N behaviors, H hidden, A attention units

CPU = torch.device("cpu")
ROUNDS = 60

Quantize = Callable[[nn.Module], nn.Module]


class SplitAttention(nn.Module):
    """`MlpAttention` whose product of a pair is a layer that can be replaced."""

    def __init__(self, kind: MlpAttention) -> None:
        super().__init__()
        w_q, _, w_d, w_p = kind.first.weight.chunk(4, dim=1)
        self.prepare_keys = kind.prepare_keys
        self.weight_q_AH, self.bias_A = w_q + w_d, kind.first.bias
        self.product = nn.Linear(w_p.shape[1], w_p.shape[0], bias=False)
        self.product.weight = nn.Parameter(w_p.clone())
        self.activation, self.rest = kind.activation, kind.rest

    def forward(
        self, query_CH: Tensor, interests_NH: Tensor, keys_NA: Tensor, pairs: Pairs
    ) -> Tensor:
        query_half_CA = torch.addmm(self.bias_A, query_CH, self.weight_q_AH.T)
        product_PH = pairs.candidates_of(query_CH) * pairs.behaviors_of(interests_NH)
        halves_PA = pairs.candidates_of(query_half_CA) + pairs.behaviors_of(keys_NA)
        return self.of_pairs(product_PH, halves_PA).unsqueeze(1)

    def of_pairs(self, product_PH: Tensor, halves_PA: Tensor) -> Tensor:
        scores_P: Tensor = self.rest(self.activation(halves_PA + self.product(product_PH)))
        return scores_P


def main() -> None:
    options = _options()
    prepare_torch(threads=1)
    torch.set_grad_enabled(False)  # torchao has no tensors for inference_mode
    warnings.simplefilter("ignore")  # torch announces that its quantization moves to torchao
    store = ModelStore(options.store)
    artifact = store.load(*resolve(store, options.version))
    held_out = held_out_of(artifact)
    if held_out is None:
        raise SystemExit(f"{artifact.reference} keeps no held-out samples")
    model = trained_model(artifact)
    models = {name: _with_dense(model, quantize) for name, quantize in _quantizers().items()}
    request, calibration = draw_batch(artifact.manifest.features), artifact.manifest.calibration
    score = {name: Engine(changed, CPU).score for name, changed in models.items()}
    columns = {
        "attention ms": _median_ms({name: _attention(changed) for name, changed in models.items()}),
        "last MLP ms": _median_ms({name: _mlp(changed) for name, changed in models.items()}),
        "request ms": _median_ms({name: partial(call, request) for name, call in score.items()}),
    }
    print(f"| dense layers | {' | '.join(columns)} | max Δp | ΔAUC |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, call in score.items():
        numbers = [f"{column[name]:.2f}" for column in columns.values()]
        lost = compare(call, score["float32"], held_out, calibration)
        numbers += [f"{lost.max_ctr_difference:.1e}", f"{lost.auc_change:+.6f}"]
        print(f"| {name} | {' | '.join(numbers)} |")


def _quantizers() -> Mapping[str, Quantize]:
    by_torch: Callable[..., nn.Module] = torch.ao.quantization.quantize_dynamic
    found: dict[str, Quantize] = {
        "float32": lambda layers: layers,
        "int8, torch": lambda layers: by_torch(layers, {nn.Linear}, dtype=torch.qint8),
    }
    if importlib.util.find_spec("torchao") is None:
        print("torchao is not installed, and left out")
        return found
    from torchao.quantization import (  # noqa: PLC0415 - it may be missing
        Int8DynamicActivationInt8WeightConfig,
        quantize_,
    )

    def by_torchao(layers: nn.Module) -> nn.Module:
        quantize_(layers, Int8DynamicActivationInt8WeightConfig())
        return layers

    found["int8, torchao"] = by_torchao
    found["int8, torchao compiled"] = lambda layers: cast(
        "nn.Module", torch.compile(by_torchao(layers))
    )
    return found


def _with_dense(model: nn.Module, quantize: Quantize) -> Dien:
    """A copy of the model with other layers in its attention and in its last MLP."""
    changed = copy.deepcopy(model)
    interests = cast("Any", changed).interests
    if not isinstance(changed, Dien) or not isinstance(interests[0].attention.kind, MlpAttention):
        raise SystemExit("this needs a DIEN with mlp attention")
    for interest in interests:
        split = SplitAttention(interest.attention.kind)
        split.set_submodule("product", quantize(nn.Sequential(split.product)))
        split.set_submodule("rest", quantize(split.rest))
        interest.attention.kind = split
    changed.set_submodule("mlp", quantize(changed.mlp))
    return changed


def _attention(model: Dien) -> Callable[[], object]:
    """All layers of a request's pairs, from products of embeddings to scores."""
    attention: SplitAttention = cast("Any", model).interests[0].attention.kind
    units, hidden = attention.weight_q_AH.shape
    pairs = BEHAVIORS * CANDIDATES
    product_PH, halves_PA = torch.randn(pairs, hidden), torch.randn(pairs, units)
    return lambda: attention.of_pairs(product_PH, halves_PA)


def _mlp(model: Dien) -> Callable[[], object]:
    inputs = model.embedding.width_beside_interests
    inputs += sum(interest.width for _, interest in model.grouped())
    x_CI = torch.randn(CANDIDATES, inputs)
    return lambda: model.mlp(x_CI)


def _median_ms(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Of each, in turns; the first ones do not count."""
    taken_s: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started_s = time.perf_counter()
            call()
            taken_s[name].append(time.perf_counter() - started_s)
    return {name: 1e3 * float(np.median(times_s[5:])) for name, times_s in taken_s.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("version")
    return parser.parse_args()


if __name__ == "__main__":
    main()
