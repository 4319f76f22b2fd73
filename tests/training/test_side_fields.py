"""Declarations of side fields, and what is said about those that cannot be meant."""

import pytest

from app.core.schema import DenseSideField, FeatureSchema, SparseField, SparseSideField
from app.errors import StartupRefused
from app.training.side_fields import DeclaredField, fields_of, parse_fields

DECLARED = (
    DeclaredField("context", "device", "sparse", 4),
    DeclaredField("profile", "gender", "sparse", 8),
    DeclaredField("candidate", "price", "dense"),
    DeclaredField("any", "weather", "sparse", 2),
)


def test_a_declaration_names_source_field_kind_and_width() -> None:
    fields = parse_fields(
        [
            *("context:device:sparse:4", "profile:gender:sparse"),
            *("candidate:price:dense", "any:weather:sparse:2"),
        ]
    )

    assert fields == DECLARED


def test_a_field_reads_as_its_own_declaration() -> None:
    assert parse_fields([str(field) for field in DECLARED]) == DECLARED


def test_the_schema_of_a_model_gives_its_fields_back() -> None:
    schema = FeatureSchema(
        behavior_fields=(
            SparseField(name="item_id", embedding_dim=1, rows=2),
            SparseField(name="category_id", embedding_dim=1, rows=2),
        ),
        side_fields=(
            SparseSideField(name="device", source="context", embedding_dim=4, rows=5),
            SparseSideField(name="gender", source="profile", embedding_dim=8, rows=5),
            DenseSideField(name="price", source="candidate"),
            SparseSideField(name="weather", source="any", embedding_dim=2, rows=5),
        ),
    )

    assert fields_of(schema) == DECLARED


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("device", "three or four parts"),
        ("request:device:sparse", "SOURCE is one of profile, context, candidate, any"),
        ("context:Device:sparse", "'Device' cannot name a field"),
        ("context:item_id:sparse", "'item_id' cannot name a field"),
        ("context:device:text", "KIND is sparse"),
        ("context:age:dense:8", "KIND is sparse"),
        ("context:device:sparse:0", "DIM is 1..1024"),
        ("context:device:sparse:wide", "DIM is 1..1024"),
    ],
    ids=["parts", "source", "name", "taken", "kind", "dense_dim", "zero_dim", "text_dim"],
)
def test_a_declaration_that_cannot_be_meant_says_how_to_write_it(
    declaration: str, reason: str
) -> None:
    with pytest.raises(StartupRefused) as refused:
        parse_fields([declaration])

    assert reason in str(refused.value)
    assert "SOURCE:NAME:KIND[:DIM]" in str(refused.value)


def test_a_field_is_declared_once() -> None:
    with pytest.raises(StartupRefused, match="age is declared twice"):
        parse_fields(["profile:age:dense", "context:age:dense"])
