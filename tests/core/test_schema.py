"""What a feature schema accepts, and the order of its columns."""

import pytest
from pydantic import ValidationError

from app.core.schema import DenseSideField, FeatureSchema, SparseField, SparseSideField

ITEM = SparseField(name="item_id", embedding_dim=4, rows=10)
CATEGORY = SparseField(name="category_id", embedding_dim=2, rows=5)
SIDES = (
    SparseSideField(name="slot", embedding_dim=1, rows=3, source="candidate"),
    DenseSideField(name="price", source="candidate"),
    SparseSideField(name="device", embedding_dim=1, rows=3, source="context"),
    DenseSideField(name="age", source="profile"),
    SparseSideField(name="gender", embedding_dim=1, rows=3, source="profile"),
    DenseSideField(name="hour", source="context"),
)


def names(fields) -> list[str]:
    return [field.name for field in fields]


def test_columns_keep_the_order_of_declaration_and_the_user_id_is_first():
    user_id = SparseField(name="user_id", embedding_dim=1, rows=3)

    schema = FeatureSchema(behavior_fields=(ITEM, CATEGORY), user_id=user_id, side_fields=SIDES)

    assert names(schema.user_sparse_fields) == ["user_id", "device", "gender"]
    assert names(schema.candidate_sparse_fields) == ["slot"]
    assert names(schema.user_dense_fields) == ["age", "hour"]
    assert names(schema.candidate_dense_fields) == ["price"]
    assert names(schema.sparse_fields) == [
        *("item_id", "category_id"),
        *("user_id", "device", "gender"),
        "slot",
    ]
    assert schema.item_embedding_dim == 6


def test_a_field_of_any_source_is_a_column_of_the_candidates():
    shelf = SparseSideField(name="shelf", embedding_dim=1, rows=3, source="any")
    weight = DenseSideField(name="weight", source="any")

    schema = FeatureSchema(behavior_fields=(ITEM, CATEGORY), side_fields=(shelf, *SIDES, weight))

    assert names(schema.candidate_sparse_fields) == ["shelf", "slot"]
    assert names(schema.candidate_dense_fields) == ["price", "weight"]
    assert names(schema.user_sparse_fields) == ["device", "gender"]


def test_a_model_may_look_at_items_alone():
    schema = FeatureSchema(behavior_fields=(ITEM,))

    assert names(schema.sparse_fields) == ["item_id"]
    assert schema.item_embedding_dim == 4


def test_a_schema_survives_json():
    schema = FeatureSchema(behavior_fields=(ITEM, CATEGORY), side_fields=SIDES, max_behaviors=7)

    assert FeatureSchema.model_validate_json(schema.model_dump_json()) == schema


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"behavior_fields": (CATEGORY,)}, id="without item"),
        pytest.param({"behavior_fields": ()}, id="without behavior fields"),
        pytest.param({"behavior_fields": (CATEGORY, ITEM)}, id="in another order"),
        pytest.param({"user_id": ITEM}, id="user field of another name"),
        pytest.param({"side_fields": (SIDES[0], SIDES[0])}, id="a name twice"),
        pytest.param(
            {"side_fields": (DenseSideField(name="item_id", source="candidate"),)},
            id="a side field named like a behavior field",
        ),
        pytest.param(
            {"side_fields": (DenseSideField(name="user_id", source="profile"),)},
            id="a side field named like the user",
        ),
        pytest.param({"max_behaviors": 0}, id="no behaviors at all"),
        pytest.param({"more": 1}, id="an unknown key"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(changed):
    with pytest.raises(ValidationError):
        FeatureSchema(**{"behavior_fields": (ITEM, CATEGORY), **changed})


@pytest.mark.parametrize(
    "field",
    [
        {"kind": "dense", "name": "age", "source": "profile", "std": 0.0},
        {"kind": "dense", "name": "age", "source": "profile", "mean": float("nan")},
        {"kind": "dense", "name": "Age", "source": "profile"},
        {"kind": "dense", "name": "age", "source": "moon"},
        {"kind": "sparse", "name": "age", "source": "profile", "embedding_dim": 0, "rows": 3},
        {"kind": "sparse", "name": "age", "source": "profile", "embedding_dim": 1, "rows": 1},
    ],
)
def test_a_side_field_that_makes_no_sense_is_refused(field):
    with pytest.raises(ValidationError):
        FeatureSchema(behavior_fields=(ITEM, CATEGORY), side_fields=(field,))
