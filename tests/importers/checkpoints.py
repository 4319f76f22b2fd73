"""Small checkpoints as the libraries write them, with random weights, to import and to damage."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from app.importers.importing import Import, ImportOptions, Library, import_and_publish

ITEMS, CATEGORIES, USERS = 12, 5, 7
MAX_LENGTH = 4

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SmallCheckpoint:
    """What a folder holds."""

    library: Library
    config: Config
    tensors: Mapping[str, Tensor]

    def edited(self, edit: Callable[[Config], object]) -> "SmallCheckpoint":
        config = copy.deepcopy(self.config)
        edit(config)
        return replace(self, config=config)

    def with_options(self, **arguments: Any) -> "SmallCheckpoint":
        return self.edited(lambda config: config["constructor"].update(arguments))

    def with_tensors(self, **tensors: Tensor | None) -> "SmallCheckpoint":
        """None takes one away."""
        all_of_them = {**self.tensors, **{name.replace("/", "."): t for name, t in tensors.items()}}
        return replace(self, tensors={n: t for n, t in all_of_them.items() if t is not None})

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config))
        save_file(dict(self.tensors), folder / "state_dict.safetensors")
        return folder

    def imported(self, tmp_path: Path, **options: Any) -> Import:
        """Into `tmp_path / "store"`."""
        folder = self.write(tmp_path / "checkpoint")
        store = tmp_path / "store"
        return import_and_publish(ImportOptions(self.library, folder, store, "model", **options))


class Weights:
    """Random tensors by name."""

    def __init__(self, seed: int) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def add(self, name: str, *shape: int) -> None:
        self.tensors[name] = torch.randn(shape, generator=self._generator) * 0.6

    def linear(self, name: str, inputs: int, units: int) -> None:
        self.add(f"{name}.weight", units, inputs)
        self.add(f"{name}.bias", units)

    def statistics(self, name: str, units: int) -> None:
        self.add(f"{name}.running_mean", units)
        self.tensors[f"{name}.running_var"] = torch.rand(units, generator=self._generator) + 0.01
        self.tensors[f"{name}.num_batches_tracked"] = torch.tensor(9)

    def batch_norm(self, name: str, units: int) -> None:
        self.statistics(name, units)
        self.add(f"{name}.weight", units)
        self.add(f"{name}.bias", units)


def deepctr_din() -> SmallCheckpoint:
    """Softmax over Dice attention, batch norm and PReLU in the tower, a user and two numbers."""
    weights = Weights(seed=1)
    weights.add("embedding_dict.user.weight", USERS, 2)
    weights.add("embedding_dict.item_id.weight", ITEMS, 3)
    weights.add("embedding_dict.cate_id.weight", CATEGORIES, 2)
    unit = "attention.local_att"
    weights.linear(f"{unit}.dnn.linears.0", 20, 4)
    weights.batch_norm(f"{unit}.dnn.activation_layers.0.bn", 4)
    weights.add(f"{unit}.dnn.activation_layers.0.alpha", 4, 1)
    weights.linear(f"{unit}.dense", 4, 1)
    weights.linear("dnn.linears.0", 14, 6)
    weights.batch_norm("dnn.bn.0", 6)
    weights.add("dnn.activation_layers.0.weight", 1)
    weights.add("dnn_linear.weight", 1, 6)
    weights.add("out.bias", 1)
    columns = [
        _sparse("user", USERS, 2),
        _sparse("item_id", ITEMS, 3),
        _sparse("cate_id", CATEGORIES, 2),
        {"kind": "dense", "name": "score", "dimension": 2},
        _history("item_id", ITEMS, 3),
        _history("cate_id", CATEGORIES, 2),
    ]
    config = {
        "model": "DIN",
        "feature_columns": columns,
        "history_feature_list": ["item_id", "cate_id"],
        "constructor": {
            "dnn_use_bn": True,
            "dnn_hidden_units": [6],
            "dnn_activation": "prelu",
            "att_hidden_size": [4],
            "att_activation": "Dice",
            "att_weight_normalization": True,
            "l2_reg_embedding": 1e-6,
        },
    }
    return SmallCheckpoint("deepctr-torch", config, weights.tensors)


def fuxictr_dien(*, pairs: int = 1) -> SmallCheckpoint:
    """The library's default AUGRU under bilinear attention, with sums, a user and a number.

    One pair of item and category with their histories, or two of each alone.
    """
    weights = Weights(seed=2)
    tables = {"user_id": USERS, "item_id": ITEMS, "cate_id": CATEGORIES}
    for name, ids in tables.items():
        weights.add(f"{TABLES}.{name}.weight", ids, 2)
        weights.tensors[f"{TABLES}.{name}.weight"][0] = 0
    weights.add(f"{TABLES}.price.weight", 2, 1)
    for name, shared in {"click_history": "item_id", "cate_history": "cate_id"}.items():
        table = weights.tensors[f"{TABLES}.{shared}.weight"]
        weights.tensors[f"{TABLES}.{name}.weight"] = table.clone()
    for pair in range(pairs):
        _add_interest(weights, pair, width=4 // pairs)
    weights.linear("dnn.mlp.0", 20, 6)
    weights.batch_norm("dnn.mlp.1", 6)
    weights.statistics("dnn.mlp.2.bn", 6)
    weights.add("dnn.mlp.2.alpha", 6)
    weights.linear("dnn.mlp.4", 6, 1)
    features = [
        {"user_id": _categorical(USERS)},
        {"price": {"type": "numeric", "source": "context"}},
        {"item_id": _categorical(ITEMS)},
        {"cate_id": _categorical(CATEGORIES)},
        {"click_history": _sequence("item_id", ITEMS)},
        {"cate_history": _sequence("cate_id", CATEGORIES)},
    ]
    config = {
        "model": "DIEN",
        "feature_map": {"labels": ["label"], "features": features},
        "constructor": {
            "embedding_dim": 2,
            "dnn_hidden_units": [6],
            "dnn_activations": "Dice",
            "net_dropout": 0.1,
            "enable_sum_pooling": True,
            "dien_neg_seq_field": [],
            **(TWO_PAIRS if pairs == 2 else {}),
            "learning_rate": 1e-3,
        },
    }
    return SmallCheckpoint("fuxictr", config, weights.tensors)


TABLES = "embedding_layer.embedding_layers"
TWO_PAIRS = {
    "dien_target_field": ["item_id", "cate_id"],
    "dien_sequence_field": ["click_history", "cate_history"],
}


def _add_interest(weights: Weights, pair: int, width: int) -> None:
    gru = f"extraction_modules.{pair}"
    for matrix in ("weight_ih_l0", "weight_hh_l0"):
        weights.add(f"{gru}.{matrix}", 3 * width, width)
    for bias in ("bias_ih_l0", "bias_hh_l0"):
        weights.add(f"{gru}.{bias}", 3 * width)
    for linear in ("x2h", "h2h"):
        weights.linear(f"evolving_modules.{pair}.gru_cell.{linear}", width, 3 * width)
    weights.add(f"attention_modules.{pair}.W_kernel", width, width)


def _sparse(name: str, ids: int, width: int) -> Config:
    return {"kind": "sparse", "name": name, "vocabulary_size": ids, "embedding_dim": width}


def _history(name: str, ids: int, width: int) -> Config:
    return _sparse(f"hist_{name}", ids, width) | {
        "kind": "varlen",
        "embedding_name": name,
        "maxlen": MAX_LENGTH,
        "length_name": "seq_length",
    }


def _categorical(ids: int) -> Config:
    return {"type": "categorical", "source": "item", "padding_idx": 0, "vocab_size": ids}


def _sequence(shared: str, ids: int) -> Config:
    return {
        "type": "sequence",
        "source": "user",
        "feature_encoder": None,
        "share_embedding": shared,
        "padding_idx": 0,
        "vocab_size": ids,
        "max_len": MAX_LENGTH,
    }
