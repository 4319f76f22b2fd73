"""Every feature has one place in a request: its usual one, or one under its own name."""

from collections.abc import Sequence

import pytest
import torch

from app.errors import StartupRefused
from app.importers.field_names import choose_names
from app.importers.source_model import CategoricalFeature, Network, NumericFeature, SourceModel
from app.importers.tower import Linear, Tower
from app.models.din.config import DinConfig


def source_of(
    targets: Sequence[str], others: Sequence[str] = (), numbers: Sequence[NumericFeature] = ()
) -> SourceModel:
    """A model of which only the names matter."""
    nothing = Tower((), Linear(torch.zeros(1, 0), torch.zeros(1)), "relu")
    return SourceModel(
        library="fuxictr",
        categorical=tuple(
            CategoricalFeature(name, torch.zeros(2, 1), 0) for name in (*targets, *others)
        ),
        numeric=tuple(numbers),
        network=Network(DinConfig(), (tuple(targets),), 50, ({},), nothing, ()),
        first_columns={},
    )


def names_of(
    targets: Sequence[str],
    others: Sequence[str] = (),
    item: str | None = None,
    category: str | None = None,
) -> dict[str, str]:
    names = choose_names(source_of(targets, others), item=item, category=category)
    return {feature: fields[0] for feature, fields in names.fields.items()}


@pytest.mark.parametrize(
    ("targets", "others", "item", "category"),
    [
        (["item_id", "cate_id"], [], "item_id", "cate_id"),
        (["cate_id", "item_id"], [], "item_id", "cate_id"),
        (["category_id", "goods"], [], "goods", "category_id"),
        (["goods", "brand"], [], "goods", "brand"),
        (["goods", "brand"], ["cate_id"], "goods", "brand"),
        (["item_id"], ["cate_id"], "item_id", "cate_id"),
        (["goods"], ["hour"], "goods", None),
        (["cate_id"], ["item_id"], "item_id", "cate_id"),
        (["cate_id"], [], "cate_id", None),
    ],
)
def test_item_and_category_go_by_their_usual_names_and_then_by_order(
    targets: list[str], others: list[str], item: str, category: str | None
) -> None:
    names = names_of(targets, others)

    assert [name for name, field in names.items() if field == "item_id"] == [item]
    assert [name for name, field in names.items() if field == "category_id"] == (
        [category] if category else []
    )


def test_options_overrule_names() -> None:
    names = names_of(["goods", "brand"], ["item_id"], item="brand", category="goods")

    assert names == {"goods": "category_id", "brand": "item_id", "item_id": "feature_item_id"}


@pytest.mark.parametrize("user", ["user", "user_id", "uid"])
def test_the_user_is_the_one_who_asks(user: str) -> None:
    assert names_of(["item_id"], [user])[user] == "user_id"


def test_other_features_keep_their_names_as_far_as_a_field_can_have_them() -> None:
    names = names_of(["item_id"], ["hour", "C1", "201", "ad_id", "bid", "user", "uid", "näme"])

    assert names == {
        "item_id": "item_id",
        "hour": "hour",
        "C1": "c1",
        "201": "feature_201",
        "ad_id": "feature_ad_id",
        "bid": "feature_bid",
        "user": "user_id",
        "uid": "uid",
        "näme": "n_me",
    }


def test_several_numbers_are_named_as_a_list_is_spread() -> None:
    numbers = [NumericFeature("price", 1), NumericFeature("Score", 3)]

    names = choose_names(source_of(["item_id"], numbers=numbers), item=None, category=None)

    assert names.fields["price"] == ("price",)
    assert names.fields["Score"] == ("score_0", "score_1", "score_2")


@pytest.mark.parametrize(
    ("targets", "others", "item", "category", "named"),
    [
        (["item_id", "cate_id", "shop"], [], None, None, "shop"),
        (["item_id"], [], "goods", None, "--item goods"),
        (["item_id"], [], None, "brand", "--category brand"),
        (["item_id", "cate_id"], ["shop"], "shop", None, "cate_id"),
        (["goods"], [], None, "goods", "--item"),
        (["goods"], ["brand"], "brand", "brand", "--category"),
        (["item_id"], ["C1", "c1"], None, None, "C1 and c1"),
        (["item_id"], ["x" * 65], None, None, "too long"),
    ],
)
def test_features_without_a_place_are_refused(
    targets: list[str], others: list[str], item: str | None, category: str | None, named: str
) -> None:
    with pytest.raises(StartupRefused, match=named):
        names_of(targets, others, item, category)
