"""Two versions may be asked together only if every row of every table means the same to both."""

import pytest

from app.core.schema import DenseSideField, FeatureSchema, SideField, SparseField, SparseSideField
from app.features.vocabulary import Vocabulary
from app.training.feature_difference import feature_difference
from app.training.features import Features

PRICE = DenseSideField(name="price", source="candidate")
AGE = DenseSideField(name="age", source="profile")
DEVICE = SparseSideField(name="device", source="context", embedding_dim=3, rows=4)


def reads(
    *side_fields: SideField,
    items: tuple[str, ...] = ("i1", "i2"),
    embedding_dim: int = 4,
    max_behaviors: int = 10,
) -> Features:
    vocabularies = {
        "item_id": Vocabulary.of(items),
        "category_id": Vocabulary.of(["c"]),
        "device": Vocabulary.of(["phone", "desktop"]),
    }
    item, category = (
        SparseField(name=name, embedding_dim=embedding_dim, rows=vocabularies[name].rows)
        for name in ("item_id", "category_id")
    )
    schema = FeatureSchema(
        behavior_fields=(item, category), side_fields=side_fields, max_behaviors=max_behaviors
    )
    return Features(
        schema, {field.name: vocabularies[field.name] for field in schema.sparse_fields}
    )


def test_equal_features_do_not_differ() -> None:
    assert feature_difference(reads(PRICE, DEVICE), reads(PRICE, DEVICE)) is None


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (reads(), reads(max_behaviors=3), "the number of max_behaviors (10 and 3)"),
        (reads(), reads(embedding_dim=8), "the embedding_dim of item_id (4 and 8)"),
        (reads(), reads(items=("i1",)), "the rows of item_id (4 and 3)"),
        (reads(), reads(items=("i1", "i3")), "the ids of item_id"),
        (reads(), reads(DEVICE), "device, which only one of them reads"),
        (reads(PRICE), reads(), "price, which only one of them reads"),
        (
            reads(PRICE),
            reads(PRICE.model_copy(update={"std": 2.0})),
            "the std of price (1.0 and 2.0)",
        ),
        (reads(AGE, PRICE), reads(PRICE, AGE), "the order of their fields"),
    ],
)
def test_the_first_difference_is_named(one: Features, other: Features, difference: str) -> None:
    assert feature_difference(one, other) == difference
