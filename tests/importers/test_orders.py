"""The order of features is a matter of the library's configuration; scores do not tell."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.errors import StartupRefused
from app.registry.model_store import ModelStore
from tests.importers.checkpoints import Config, SmallCheckpoint, deepctr_din, fuxictr_dien


def golden_ctrs(checkpoint: SmallCheckpoint, folder: Path) -> list[float]:
    """Of requests that depend on the names of the features alone."""
    folder.mkdir()
    checkpoint.imported(folder)
    golden = ModelStore(folder / "store").load("model", "1").golden
    return [ctr for request in golden.requests for ctr in request.ctr]


def moved(weight_HI: Tensor, widths: Sequence[int], order: Sequence[int]) -> Tensor:
    """The columns of blocks of these widths in another order."""
    blocks = weight_HI.split(list(widths), dim=1)
    return torch.cat([blocks[index] for index in order], dim=1)


def same_scores(one: SmallCheckpoint, other: SmallCheckpoint, folder: Path) -> bool:
    return golden_ctrs(one, folder / "one") == pytest.approx(
        golden_ctrs(other, folder / "other"), abs=1e-6
    )


def reorder_columns(config: Config) -> None:
    user, item, category, score, items, categories = config["feature_columns"]
    config["feature_columns"] = [score, item, items, category, categories, user]


def group_user_with_category(config: Config) -> None:
    for column in config["feature_columns"]:
        if column["name"] in ("user", "cate_id"):
            column["group_name"] = "first"


@pytest.mark.parametrize(
    ("edit", "order"),
    [(reorder_columns, (1, 2, 0, 3, 4)), (group_user_with_category, (0, 2, 1, 3, 4))],
    ids=["columns", "groups"],
)
def test_deepctr_concatenates_sparse_columns_group_by_group(
    edit: Callable[[Config], None], order: Sequence[int], tmp_path: Path
) -> None:
    checkpoint = deepctr_din()
    layer = "dnn.linears.0.weight"
    widths = (2, 3, 2, 5, 2)  # user, item, category, interest, score

    first = moved(checkpoint.tensors[layer], widths, order)
    reordered = checkpoint.edited(edit).with_tensors(**{layer: first})

    assert same_scores(checkpoint, reordered, tmp_path)


def reorder_features(config: Config) -> None:
    user, price, item, category, items, categories = config["feature_map"]["features"]
    config["feature_map"]["features"] = [item, category, categories, price, items, user]


def test_fuxictr_concatenates_in_the_order_of_its_feature_map(tmp_path: Path) -> None:
    checkpoint = fuxictr_dien()
    layer = "dnn.mlp.0.weight"
    widths = (12, 2, 2, 2, 2)  # interest and sums, user, price, item, category

    first = moved(checkpoint.tensors[layer], widths, (0, 3, 4, 2, 1))
    reordered = checkpoint.edited(reorder_features).with_tensors(**{layer: first})

    assert same_scores(checkpoint, reordered, tmp_path)


def test_a_history_in_another_order_than_its_target_goes_through_other_gates(
    tmp_path: Path,
) -> None:
    gates, layer = "extraction_modules.0.weight_ih_l0", "dnn.mlp.0.weight"
    without_sums = moved(fuxictr_dien().tensors[layer], (4, 8, 8), (0, 2))
    checkpoint = (
        fuxictr_dien()
        .with_options(enable_sum_pooling=False)
        .with_tensors(**{layer: without_sums.clone()})
    )

    crossed = checkpoint.with_options(
        dien_sequence_field=[["cate_history", "click_history"]]
    ).with_tensors(**{gates: moved(checkpoint.tensors[gates], (2, 2), (1, 0))})

    assert same_scores(checkpoint, crossed, tmp_path)


def test_what_must_be_compared_field_by_field_cannot_be_crossed(tmp_path: Path) -> None:
    checkpoint = fuxictr_dien().with_options(
        dien_sequence_field=[["cate_history", "click_history"]]
    )

    with pytest.raises(StartupRefused, match="enable_sum_pooling"):
        checkpoint.imported(tmp_path)
