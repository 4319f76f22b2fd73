"""What a model knows comes from the training split alone."""

from pathlib import Path

import pytest

from app.core.keys import keys_of
from app.core.schema import OOV_ROW, DenseSideField, SparseSideField
from app.errors import StartupRefused
from app.training.features import FeatureOptions, Features, learn_features
from app.training.samples import read_samples
from app.training.side_fields import parse_fields
from tests.training.builders import Row, sample, write_rows

HISTORY = [("i7", "c7", 10), ("i8", "c8", 20)]


def learned(folder: Path, rows: list[Row], *fields: str, **options: object) -> Features:
    declared = parse_fields(fields)
    samples = read_samples(write_rows(folder / "train.tsv", rows), declared)
    return learn_features([samples], FeatureOptions(side_fields=declared, **options))


def known(features: Features, field: str, ids: list[str]) -> list[bool]:
    return (features.vocabularies[field].rows_of(keys_of(ids)) != OOV_ROW).tolist()


def test_items_of_histories_and_candidates_are_known(tmp_path: Path) -> None:
    features = learned(tmp_path, [sample(1, history=HISTORY), sample(0, item="i2")])

    assert known(features, "item_id", ["i1", "i2", "i7", "i8", "i9"]) == [True] * 4 + [False]
    assert known(features, "category_id", ["c1", "c7", "c8", "c9"]) == [True] * 3 + [False]


def test_tables_have_a_row_for_each_known_id_beside_padding_and_unknown(tmp_path: Path) -> None:
    features = learned(tmp_path, [sample(1, history=HISTORY)])

    item, category = features.schema.behavior_fields
    assert (item.rows, category.rows) == (2 + 3, 2 + 3)


def test_min_count_asks_for_users_not_for_repetitions(tmp_path: Path) -> None:
    rows = [sample(1, "ann", "i1", history=HISTORY)] * 5
    rows += [sample(0, "bob", "i1"), sample(0, "bob", "i2")]

    features = learned(tmp_path, rows, min_count=2)

    assert known(features, "item_id", ["i1", "i2", "i7"]) == [True, False, False]


def test_a_user_is_known_however_high_min_count_is(tmp_path: Path) -> None:
    features = learned(tmp_path, [sample(1, "ann"), sample(0, "bob")], user_id=True, min_count=2)

    assert features.schema.user_id is not None
    assert known(features, "user_id", ["ann", "bob", "cid"]) == [True, True, False]


def test_side_fields_keep_their_source_and_width(tmp_path: Path) -> None:
    rows = [sample(device="phone", price="2"), sample(device="desktop", price="4")]

    features = learned(tmp_path, rows, "context:device:sparse:5", "candidate:price:dense")

    assert features.schema.side_fields == (
        SparseSideField(name="device", source="context", embedding_dim=5, rows=4),
        DenseSideField(name="price", source="candidate", mean=3.0, std=1.0),
    )


def test_a_missing_number_does_not_count_in_mean_and_deviation(tmp_path: Path) -> None:
    rows = [sample(price="2"), sample(price=""), sample(price="4")]

    features = learned(tmp_path, rows, "candidate:price:dense")

    assert features.schema.candidate_dense_fields[0].mean == 3.0


def test_a_number_that_never_changes_has_deviation_one(tmp_path: Path) -> None:
    features = learned(tmp_path, [sample(price="2")] * 3, "candidate:price:dense")

    assert features.schema.candidate_dense_fields[0].std == 1.0


def test_a_number_that_training_never_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match=r"--field price: .* no number"):
        learned(tmp_path, [sample(price="cheap")], "candidate:price:dense")
