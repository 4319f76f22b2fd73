"""Samples as Parquet are those of the text that they were made from."""

import json
from pathlib import Path

import polars as pl
import pytest

from app.errors import StartupRefused
from app.training.columns import Columns
from app.training.sample_files import sample_file, to_parquet
from app.training.sample_folder import SampleFolder
from app.training.samples import Samples, read_samples
from tests.training.builders import planted_folder, sample, write_rows
from tests.training.commands import ctr_serve, train_planted

HISTORY = (("i1", "", 10), ("i2", "c2", 20))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return planted_folder(tmp_path / "text", users=30)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    folder = planted_folder(tmp_path / "parquet", users=30)
    for split in ("train", "valid", "test"):
        # What `prepare` writes, without fields of our own.
        columns = pl.col("*").exclude("device", "price")
        pl.read_csv(folder / f"{split}.tsv", separator="\t", infer_schema=False).select(
            columns
        ).write_csv(folder / f"{split}.tsv", separator="\t")
    to_parquet(folder)
    return folder


def assert_equal(left: Samples, right: Samples) -> None:
    for name in ("labels_C", "user_of_C", "lengths_U", "behavior_times_N"):
        assert getattr(left, name).tolist() == getattr(right, name).tolist()
    for name in ("users", "behaviors", "candidates"):
        assert raw(getattr(left, name)) == raw(getattr(right, name))


def raw(columns: Columns) -> dict[str, list[str]]:
    return {name: ids[:] for name, ids in columns.ids.items()}


def test_text_and_parquet_are_the_same_samples(text: Path, parquet: Path) -> None:
    for split in ("train", "valid", "test"):
        assert_equal(
            read_samples(sample_file(parquet, split)), read_samples(sample_file(text, split))
        )


def test_the_text_is_gone_and_histories_are_lists(parquet: Path) -> None:
    assert sorted(path.name for path in parquet.iterdir()) == [
        "test.parquet",
        "train.parquet",
        "valid.parquet",
    ]
    schema = pl.read_parquet_schema(parquet / "train.parquet")
    assert schema["history_items"] == pl.List(pl.String)
    assert schema["history_timestamps"] == pl.List(pl.UInt32)


def test_an_unknown_category_in_a_history_stays_one(tmp_path: Path) -> None:
    rows = [sample(history=HISTORY), sample(0, history=HISTORY[:1])]
    for split in ("train", "valid", "test"):
        write_rows(tmp_path / f"{split}.tsv", rows)
    before = read_samples(tmp_path / "train.tsv")

    to_parquet(tmp_path)

    assert_equal(read_samples(tmp_path / "train.parquet"), before)


def test_histories_may_be_text_in_parquet_too(text: Path, tmp_path: Path) -> None:
    table = pl.read_csv(text / "train.tsv", separator="\t", infer_schema=False)
    table.write_parquet(tmp_path / "train.parquet")

    assert_equal(read_samples(tmp_path / "train.parquet"), read_samples(text / "train.tsv"))


def test_a_missing_history_is_an_empty_one(tmp_path: Path) -> None:
    columns = {name: [value, value] for name, value in sample(history=()).items()}
    lists = [None, ["i1", None]]
    histories = {
        "history_items": lists,
        "history_cates": lists,
        "history_timestamps": [None, [1, 2]],
    }
    pl.DataFrame(columns | histories).write_parquet(tmp_path / "train.parquet")

    samples = read_samples(tmp_path / "train.parquet")

    assert samples.lengths_U.tolist() == [0, 2]
    assert samples.behaviors.ids["item_id"][:] == ["i1", ""]


def test_some_rows_are_read_as_if_they_were_all(parquet: Path) -> None:
    whole = read_samples(parquet / "train.parquet")

    part = read_samples(parquet / "train.parquet", first_row=40, limit_rows=20)

    assert part.labels_C.tolist() == whole.labels_C[40:60].tolist()
    assert part.candidates.ids["item_id"][:] == whole.candidates.ids["item_id"][40:60]


def test_a_refusal_names_the_row_of_the_file(tmp_path: Path) -> None:
    rows = [sample() for _ in range(9)] + [sample(label=7)]
    pl.DataFrame([dict(row) for row in rows], strict=False).write_parquet(
        tmp_path / "train.parquet"
    )

    with pytest.raises(StartupRefused, match="row 10: label is '7'"):
        read_samples(tmp_path / "train.parquet", first_row=5, limit_rows=5)


def test_prepared_parquet_can_be_trained_on(tmp_path: Path) -> None:
    lines = ["user_id\titem_id\tcate_id\ttimestamp"]
    lines += [f"u{u}\ti{(u + 3 * t) % 17}\tc{u % 3}\t{t}" for u in range(30) for t in range(5)]
    (tmp_path / "clicks.tsv").write_text("\n".join(lines))
    arguments = (tmp_path / "clicks.tsv", tmp_path / "out")

    prepared = json.loads(ctr_serve("prepare", *arguments, "--parquet", "--json"))
    answer = train_planted(tmp_path / "out", tmp_path / "store")

    assert prepared["rows"] == {"train": 120, "valid": 60, "test": 60}
    assert answer["metrics"]["test"]["rows"] == 60


def test_text_that_is_prepared_later_takes_the_place_of_parquet(tmp_path: Path) -> None:
    lines = ["user_id\titem_id\tcate_id\ttimestamp"]
    lines += [f"u{u}\ti{(u + 3 * t) % 17}\tc{u % 3}\t{t}" for u in range(30) for t in range(5)]
    (tmp_path / "clicks.tsv").write_text("\n".join(lines))
    arguments = (tmp_path / "clicks.tsv", tmp_path / "out")
    ctr_serve("prepare", *arguments, "--parquet")

    ctr_serve("prepare", *arguments)

    assert sample_file(tmp_path / "out", "train").name == "train.tsv"


def test_the_manifest_names_the_file_that_was_read(parquet: Path) -> None:
    assert set(SampleFolder(parquet).digests(("train", "valid"))) == {
        "train.parquet",
        "valid.parquet",
    }
