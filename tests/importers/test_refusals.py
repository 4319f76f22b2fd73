"""What cannot be represented is refused in one line that names it, and nothing is published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from app.errors import StartupRefused
from tests.importers.checkpoints import TABLES, Config, SmallCheckpoint, deepctr_din, fuxictr_dien

Edit = Callable[[Config], object]


def refusal(checkpoint: SmallCheckpoint, tmp_path: Path, **options: Any) -> str:
    with pytest.raises(StartupRefused) as refused:
        checkpoint.imported(tmp_path, **options)
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    assert not (tmp_path / "store").exists()
    return message


def column(name: str, **changes: Any) -> Edit:
    def edit(config: Config) -> None:
        (found,) = (one for one in config["feature_columns"] if one["name"] == name)
        found.update(changes)

    return edit


def append_column(**added: Any) -> Edit:
    return lambda config: config["feature_columns"].append(added)


def history(*names: str) -> Edit:
    return lambda config: config.update(history_feature_list=list(names))


def swap_histories(config: Config) -> None:
    columns = config["feature_columns"]
    columns[-1], columns[-2] = columns[-2], columns[-1]


def foreign_length(config: Config) -> None:
    config["feature_columns"].insert(0, OTHER_SEQUENCE | {"length_name": "tags_length"})
    config["model"] = "DIEN"
    config["constructor"] = {}


OTHER_SEQUENCE = {
    "kind": "varlen",
    "name": "tags",
    "vocabulary_size": 4,
    "embedding_dim": 2,
    "maxlen": 3,
}

DEEPCTR: dict[str, tuple[Edit, str]] = {
    "another-model": (lambda config: config.update(model="DSIN"), "DSIN"),
    "hashing": (column("user", use_hash=True), "use_hash"),
    "unknown-column-option": (column("user", weight="w"), "weight"),
    "large-vocabulary": (column("user", vocabulary_size=2**24 + 1), "vocabulary_size"),
    "own-history-table": (column("hist_item_id", embedding_name="other"), "hist_item_id"),
    "widths-of-one-table": (column("hist_item_id", embedding_dim=4), "embedding_dim 3"),
    "other-order": (swap_histories, "cate_id item_id"),
    "other-sequence": (append_column(**OTHER_SEQUENCE, length_name="seq_length"), "tags"),
    "foreign-length": (foreign_length, "tags_length"),
    "no-length": (
        lambda config: [one.pop("length_name", 0) for one in config["feature_columns"]],
        "length_name",
    ),
    "lengths-differ": (column("hist_item_id", maxlen=9), "maxlen"),
    "no-history-column": (history("item_id", "user"), "hist_user"),
    "no-such-target": (history("shop"), "shop"),
    "column-twice": (append_column(kind="dense", name="score"), "score"),
    "no-history": (history(), "history_feature_list"),
}


@pytest.mark.parametrize("case", DEEPCTR)
def test_a_deepctr_configuration_is_refused(case: str, tmp_path: Path) -> None:
    edit, named = DEEPCTR[case]

    assert named in refusal(deepctr_din().edited(edit), tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"task": "regression"},
        {"dnn_activation": "dice"},
        {"att_activation": "tanh"},
        {"dnn_hidden_units": []},
        {"an_option_of_tomorrow": 1},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_option_of_deepctr_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    message = refusal(deepctr_din().with_options(**options), tmp_path)

    assert next(iter(options)) in message


def feature(name: str, **changes: Any) -> Edit:
    def edit(config: Config) -> None:
        (found,) = (one for one in config["feature_map"]["features"] if name in one)
        found[name].update(changes)

    return edit


def append_feature(name: str, **spec: Any) -> Edit:
    return lambda config: config["feature_map"]["features"].append({name: spec})


def drop_size(config: Config) -> None:
    (found,) = (one for one in config["feature_map"]["features"] if "click_history" in one)
    del found["click_history"]["max_len"]


OTHER_HISTORY = {"type": "sequence", "vocab_size": 12, "max_len": 4, "share_embedding": "item_id"}

FUXICTR: dict[str, tuple[Edit, str]] = {
    "another-model": (lambda config: config.update(model="BST"), "BST"),
    "encoder": (
        feature("click_history", feature_encoder="layers.MaskedAveragePooling()"),
        "click_history.feature_encoder",
    ),
    "pretrained": (feature("item_id", pretrained_emb="items.npz"), "item_id.pretrained_emb"),
    "vectors": (append_feature("image", type="embedding", pretrain_dim=8), "image"),
    "lengths-differ": (feature("cate_history", max_len=9), "max_len"),
    "no-length": (drop_size, "max_len"),
    "other-sequence": (append_feature("tags", **OTHER_HISTORY), "tags"),
    "no-such-feature": (lambda config: config["feature_map"]["features"].pop(), "cate_history"),
    "widths": (feature("item_id", embedding_dim=3), "[12, 3]"),
}


@pytest.mark.parametrize("case", FUXICTR)
def test_a_fuxictr_configuration_is_refused(case: str, tmp_path: Path) -> None:
    edit, named = FUXICTR[case]

    assert named in refusal(fuxictr_dien().edited(edit), tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"gru_type": "AIGRU"},
        {"task": "regression"},
        {"attention_type": "multi_head"},
        {"dnn_activations": "GELU"},
        {"dnn_activations": ["ReLU", "Dice"], "dnn_hidden_units": [6, 6]},
        {"net_dropout": [0.1, 0.2]},
        {"use_features": ["item_id"]},
        {"an_option_of_tomorrow": 1},
    ],
    ids=["gru", "task", "attention", "activation", "mixed", "dropout", "features", "unknown"],
)
def test_an_option_of_fuxictr_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    message = refusal(fuxictr_dien().with_options(**options), tmp_path)

    assert next(iter(options)).removeprefix("net_") in message


def test_an_activation_behind_attention_is_refused(tmp_path: Path) -> None:
    checkpoint = fuxictr_dien().edited(lambda config: config.update(model="DIN", constructor={}))

    message = refusal(checkpoint.with_options(attention_output_activation="Sigmoid"), tmp_path)

    assert "attention_output_activation" in message


def test_fields_that_do_not_pair_are_refused(tmp_path: Path) -> None:
    message = refusal(fuxictr_dien().with_options(dien_target_field=["item_id"]), tmp_path)

    assert "do not belong together" in message


def test_one_target_in_two_histories_is_refused(tmp_path: Path) -> None:
    table = fuxictr_dien().tensors[f"{TABLES}.item_id.weight"]
    gru = {
        name.replace("modules.0", "modules.1"): tensor
        for name, tensor in fuxictr_dien().tensors.items()
        if name.startswith("extraction_modules")
    }
    checkpoint = (
        fuxictr_dien()
        .edited(append_feature("buy_history", **OTHER_HISTORY))
        .with_tensors(**{f"{TABLES}.buy_history.weight": table.clone()}, **gru)
        .with_options(
            dien_target_field=["item_id", "item_id"],
            dien_sequence_field=["click_history", "buy_history"],
        )
    )

    message = refusal(checkpoint, tmp_path)

    assert "click_history and buy_history" in message


def test_a_history_with_embeddings_of_its_own_is_refused(tmp_path: Path) -> None:
    checkpoint = fuxictr_dien().with_tensors(
        **{f"{TABLES}.click_history.weight": torch.ones(12, 2)}
    )

    message = refusal(checkpoint, tmp_path)

    assert "click_history does not share" in message


def test_sums_over_padding_that_is_not_zero_are_refused(tmp_path: Path) -> None:
    trained = torch.ones(12, 2)
    checkpoint = fuxictr_dien().with_tensors(
        **{f"{TABLES}.{name}.weight": trained.clone() for name in ("item_id", "click_history")}
    )

    message = refusal(checkpoint, tmp_path)

    assert "enable_sum_pooling" in message


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (None, "has no out.bias"),
        (torch.zeros(2), "[2]"),
        (torch.tensor([torch.nan]), "not finite"),
        (torch.tensor([1]), "ordinary numbers"),
    ],
    ids=["missing", "shape", "nan", "integer"],
)
def test_a_tensor_that_does_not_fit_is_refused(
    tensor: torch.Tensor | None, says: str, tmp_path: Path
) -> None:
    message = refusal(deepctr_din().with_tensors(**{"out.bias": tensor}), tmp_path)

    assert "out.bias" in message
    assert says in message


def test_a_tensor_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    message = refusal(deepctr_din().with_tensors(**{"dnn.bn.7.weight": torch.ones(3)}), tmp_path)

    assert "dnn.bn.7.weight" in message
