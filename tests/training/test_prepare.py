"""Interaction logs become the same next-item samples, whatever file and order they come in."""

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import StartupRefused
from app.training.interactions import LogColumns, read_interactions
from app.training.next_item import count_targets, write_next_item_samples
from app.training.sample_files import SAMPLE_COLUMNS

BEAUTY = Path(__file__).parents[3] / "shared" / "data" / "amazon_beauty.tsv.gz"
BEAUTY_MD5 = {
    "train": "35be10ce9e46487d8d869a157a7efb77",
    "valid": "6bd3ca8a37a5a491d539e9bf360d0e51",
    "test": "f16f73d87029cb356bee5086c3c853b2",
}
HEADER = ("user_id", "item_id", "cate_id", "timestamp")
# With two users who share no item, each split leaves one negative to draw.
EVENTS = [
    ("ann", "a1", "A", "10"),
    ("ann", "a2", "A", "20"),
    ("ann", "a3", "B", "30"),
    ("ann", "a4", "A", "40"),
    ("bob", "b1", "B", "15"),
    ("bob", "b2", "C", "25"),
    ("bob", "b3", "B", "35"),
    ("bob", "b4", "B", "45"),
    ("cid", "c1", "B", "50"),
    ("cid", "c2", "B", "60"),
]

Event = tuple[str, str, str, str]


def write_log(path: Path, events: Sequence[Event], separator: str = "\t") -> Path:
    text = "\n".join([separator.join(HEADER), *map(separator.join, events), ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def prepared(
    path: Path,
    out_dir: Path,
    *,
    seed: int = 7,
    max_history: int = 50,
    max_targets: int | None = None,
) -> dict[str, list[list[str]]]:
    log = read_interactions(path, LogColumns())
    write_next_item_samples(
        log, out_dir, seed=seed, max_history=max_history, max_targets=max_targets
    )
    lines = {split: (out_dir / f"{split}.tsv").read_text().splitlines() for split in BEAUTY_MD5}
    return {split: [line.split("\t") for line in lines[split]] for split in lines}


@pytest.mark.skipif(not BEAUTY.exists(), reason="the Amazon Beauty log is not part of the project")
def test_amazon_beauty_gives_the_published_files_byte_for_byte(tmp_path: Path) -> None:
    log = read_interactions(BEAUTY, LogColumns())

    rows = write_next_item_samples(log, tmp_path, seed=7, max_history=50)

    assert rows == {"train": 262_826, "valid": 44_726, "test": 44_726}
    for split, expected in BEAUTY_MD5.items():
        content = (tmp_path / f"{split}.tsv").read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == expected


def test_the_last_event_is_for_the_test_and_the_one_before_it_for_validation(
    tmp_path: Path,
) -> None:
    samples = prepared(write_log(tmp_path / "log.tsv", EVENTS), tmp_path)

    assert samples["train"] == [
        list(SAMPLE_COLUMNS),
        ["1", "ann", "a2", "A", "20", "a1", "A", "10"],
        ["0", "ann", "b2", "C", "20", "a1", "A", "10"],
        ["1", "bob", "b2", "C", "25", "b1", "B", "15"],
        ["0", "bob", "a2", "A", "25", "b1", "B", "15"],
    ]
    assert samples["valid"][1:3] == [
        ["1", "ann", "a3", "B", "30", "a1,a2", "A,A", "10,20"],
        ["0", "ann", "b3", "B", "30", "a1,a2", "A,A", "10,20"],
    ]
    assert samples["test"][3:] == [
        ["1", "bob", "b4", "B", "45", "b1,b2,b3", "B,C,B", "15,25,35"],
        ["0", "bob", "a4", "A", "45", "b1,b2,b3", "B,C,B", "15,25,35"],
    ]


def test_users_of_fewer_than_three_events_are_left_out(tmp_path: Path) -> None:
    samples = prepared(write_log(tmp_path / "log.tsv", EVENTS), tmp_path)

    assert {row[1] for rows in samples.values() for row in rows[1:]} == {"ann", "bob"}


def test_a_history_keeps_the_newest(tmp_path: Path) -> None:
    samples = prepared(write_log(tmp_path / "log.tsv", EVENTS), tmp_path, max_history=2)

    assert samples["test"][1][5:] == ["a2,a3", "A,B", "20,30"]


def test_of_the_training_targets_the_newest_are_kept(tmp_path: Path) -> None:
    longer = [*EVENTS, ("ann", "a5", "A", "50"), ("ann", "a6", "A", "60")]
    path = write_log(tmp_path / "log.tsv", longer)

    samples = prepared(path, tmp_path, max_targets=2)

    clicked = {split: [row[2] for row in samples[split] if row[0] == "1"] for split in samples}
    assert clicked == {
        "train": ["a3", "a4", "b2"],
        "valid": ["a5", "b3"],
        "test": ["a6", "b4"],
    }
    assert samples["train"][1][5] == "a1,a2"
    assert count_targets(read_interactions(path, LogColumns()), max_targets=2) == 7


def test_rows_may_come_in_any_order(tmp_path: Path) -> None:
    shuffled = [EVENTS[row] for row in (3, 9, 5, 0, 7, 2, 4, 8, 1, 6)]

    ordered = prepared(write_log(tmp_path / "ordered.tsv", EVENTS), tmp_path / "ordered")
    from_shuffled = prepared(write_log(tmp_path / "shuffled.tsv", shuffled), tmp_path / "shuffled")

    assert from_shuffled == ordered


def test_events_of_one_second_keep_their_order(tmp_path: Path) -> None:
    same_second = [(user, item, category, "10") for user, item, category, _ in EVENTS]

    samples = prepared(write_log(tmp_path / "log.tsv", same_second), tmp_path)

    assert samples["test"][1][5] == "a1,a2,a3"


def test_users_keep_the_order_in_which_the_file_names_them(tmp_path: Path) -> None:
    log = read_interactions(write_log(tmp_path / "log.tsv", EVENTS[::-1]), LogColumns())

    assert log.user_ids == ["cid", "bob", "ann"]


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.tsv.gz", "log.parquet"])
def test_every_format_gives_the_same_samples(tmp_path: Path, name: str) -> None:
    expected = prepared(write_log(tmp_path / "log.tsv", EVENTS), tmp_path / "expected")
    if name == "log.parquet":
        frame = pl.DataFrame(EVENTS, HEADER, orient="row")
        frame.with_columns(pl.col("timestamp").cast(pl.Int64)).write_parquet(tmp_path / name)
    else:
        write_log(tmp_path / name, EVENTS, "," if "csv" in name else "\t")

    assert prepared(tmp_path / name, tmp_path / "actual") == expected


def test_parquet_numbers_and_dates_read_like_their_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [7.0], "item_id": [1], "cate_id": [None], "timestamp": [99]})
    frame = frame.with_columns(pl.from_epoch("timestamp", "s"))
    frame.write_parquet(tmp_path / "log.parquet")

    log = read_interactions(tmp_path / "log.parquet", LogColumns())

    assert (log.user_ids, log.items, log.categories, log.times) == (["7"], ["1"], [""], ["99"])


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.tsv", EVENTS)
    path.write_text(path.read_text().replace("item_id", "asin"))

    log = read_interactions(path, LogColumns(item="asin"))

    assert log.items[:2] == ["a1", "a2"]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 99))
def test_negatives_are_targets_of_the_split_that_the_user_never_met(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seed: int
) -> None:
    events = [
        (f"u{user}", f"i{user}-{event}", "c", str(event))
        for user, length in enumerate([4, 4, *lengths])
        for event in range(length)
    ]
    folder = tmp_path_factory.mktemp("prepared")

    samples = prepared(write_log(folder / "log.tsv", events), folder, seed=seed)

    for rows in samples.values():
        clicked = {row[2] for row in rows if row[0] == "1"}
        negatives = [row for row in rows if row[0] == "0"]
        assert all(row[2] in clicked for row in negatives)
        assert all(not row[2].startswith(f"i{row[1][1:]}-") for row in negatives)


def test_the_progress_adds_up_to_the_targets(tmp_path: Path) -> None:
    log = read_interactions(write_log(tmp_path / "log.tsv", EVENTS), LogColumns())
    done: list[int] = []

    write_next_item_samples(log, tmp_path, seed=7, max_history=50, on_targets=done.append)

    assert sum(done) == count_targets(log) == 6


def test_a_log_without_a_possible_negative_is_refused_instead_of_searched_forever(
    tmp_path: Path,
) -> None:
    log = read_interactions(write_log(tmp_path / "log.tsv", EVENTS[:4]), LogColumns())

    with pytest.raises(StartupRefused, match="'ann' has met every item"):
        write_next_item_samples(log, tmp_path, seed=7, max_history=50)

    assert not list(tmp_path.glob("train.tsv*"))


def test_a_log_of_short_users_only_is_refused(tmp_path: Path) -> None:
    log = read_interactions(write_log(tmp_path / "log.tsv", EVENTS[8:]), LogColumns())

    with pytest.raises(StartupRefused, match="users need 3 events"):
        write_next_item_samples(log, tmp_path, seed=7, max_history=50)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.tsv", EVENTS)
    log = read_interactions(path, LogColumns())

    with pytest.raises(StartupRefused, match=r"log\.tsv cannot be a folder: File exists"):
        write_next_item_samples(log, path, seed=7, max_history=50)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", "i", "c", "1"), "row 2: user_id is ''"),
        (("u", "", "c", "1"), "row 2: item_id is ''"),
        (("u", "i,j", "c", "1"), "row 2: item_id is 'i,j'; commas join histories"),
        (("u", "i", "b, c", "1"), "row 2: cate_id is 'b, c'; commas join histories"),
        (("u", "i", "c", "2014-01-26"), "row 2: timestamp is '2014-01-26'; unix seconds"),
        (("u", "i", "c", "1390694400000"), "divide milliseconds"),
    ],
    ids=["user", "item", "item_comma", "category_comma", "date", "milliseconds"],
)
def test_a_value_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, row: Event, reason: str
) -> None:
    path = write_log(tmp_path / "log.tsv", [EVENTS[0], row])

    with pytest.raises(StartupRefused) as refused:
        read_interactions(path, LogColumns())

    assert str(path) in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_column_is_named_beside_those_there_are(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.tsv", EVENTS)

    with pytest.raises(StartupRefused, match=r"no column 'asin'.*tab-separated.*user_id, item_id"):
        read_interactions(path, LogColumns(item="asin"))


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_text("no parquet")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "header.tsv").write_text("\t".join(HEADER))

    for name, reason in (
        ("missing.tsv", "is not a file"),
        ("log.parquet", "cannot be read as Parquet"),
        ("empty.tsv", "cannot be read as tab-separated text"),
        ("header.tsv", "has no rows"),
    ):
        with pytest.raises(StartupRefused, match=reason):
            read_interactions(tmp_path / name, LogColumns())
