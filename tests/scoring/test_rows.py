"""Rows out of files: which are read, and what is said of those that cannot be."""

import gzip
import json
from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.scoring.json_lines import MAX_LINE_BYTES, JsonLines
from app.scoring.parquet import ROWS_PER_READ, ParquetRows
from app.scoring.rows import Row, RowReader
from tests.api.bodies import ad, body, wire_behaviors
from tests.scoring.files import Json, write_lines, write_parquet

INLINE = wire_behaviors([("item-1", "category-1", 5)])
GOOD = body()
MALFORMED: dict[str, tuple[Json | str, str]] = {
    "not JSON": ('{"user_id": ', "Invalid JSON"),
    "not an object": ("[1]", "body: "),
    "a field that is missing": ({"candidates": [ad(1)]}, "user_id: Field required"),
    "a field too many": (body(user="u"), "user: "),
    "a wrong behavior": (body(behaviors=[*INLINE, {"item_id": "i"}]), "behaviors.1.category_id: "),
    "a wrong feature": (body(candidates=[ad(0), ad(1, price={})]), "candidates.1.price: "),
    "the same ad twice": (body(candidates=[ad(1), ad(1)]), "candidates.1.ad_id: is the same as"),
    "no bid to rank by": (body(rank_by="ecpm"), "candidates.0.bid: is needed"),
    "a name of two lines": (body(**{"a\nb": 1}), "a b: "),
}


def read(reader: RowReader) -> list[Row]:
    return list(reader.read(lambda _: None))


def refusal(reader: RowReader) -> str:
    with pytest.raises(StartupRefused) as refused:
        read(reader)
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson.gz"])
def test_rows_come_in_order_with_the_numbers_of_their_lines(tmp_path: Path, name: str) -> None:
    users = [body(user_id=f"user-{number}") for number in range(3)]
    path = write_lines(tmp_path / name, [users[0], "", users[1], "  ", users[2]])

    rows = read(RowReader(JsonLines(path)))

    assert [(row.number, row.request.user_id) for row in rows] == [
        (1, "user-0"),
        (3, "user-1"),
        (5, "user-2"),
    ]


def test_a_file_without_a_last_line_end_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD))

    assert len(read(RowReader(JsonLines(path)))) == 2


@pytest.mark.parametrize(("row", "says"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_is_refused_with_its_file_number_and_field(
    tmp_path: Path, row: Json | str, says: str
) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [GOOD, row])

    assert refusal(RowReader(JsonLines(path))).startswith(f"{path}, line 2: {says}")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (body(user_id=None), "user_id: Field required"),
        (body(candidates=[ad(0), ad(1, price=float("nan"))]), "candidates.1.price: "),
        (body(candidates=[ad(0), ad(1, bid=-1.0)]), "candidates.1.bid: "),
        (body(candidates=[]), "candidates: "),
    ],
    ids=["null where one is needed", "not a number", "out of range", "empty list"],
)
def test_a_malformed_row_of_a_table_is_refused_with_its_file_number_and_field(
    tmp_path: Path, row: Json, says: str
) -> None:
    path = write_parquet(tmp_path / "rows.parquet", [GOOD, row])

    assert refusal(RowReader(ParquetRows(path))).startswith(f"{path}, row 2: {says}")


def test_malformed_rows_can_be_passed_over_and_are_counted(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", ["{", GOOD, body(user_id=""), GOOD])
    reader = RowReader(JsonLines(path), skip_malformed=True)

    rows = read(reader)

    assert [row.number for row in rows] == [2, 4]
    assert reader.skipped == 2


def test_a_null_of_a_table_says_nothing(tmp_path: Path) -> None:
    full = body(context={"device": "phone"}, profile={"age": 3.0}, behaviors=INLINE, explain=2)
    path = write_parquet(tmp_path / "rows.parquet", [full, body(), body(behaviors=[])])

    first, second, third = (row.request for row in read(RowReader(ParquetRows(path))))

    assert (first.context, first.profile, first.explain) == ({"device": "phone"}, {"age": 3.0}, 2)
    assert (second.context, second.profile, second.explain) == ({}, None, 0)
    assert first.behaviors is not None
    assert second.behaviors is None
    assert third.behaviors is not None
    assert [len(first.behaviors), len(third.behaviors)] == [1, 0]


def test_a_table_read_in_parts_keeps_its_order(tmp_path: Path) -> None:
    count = ROWS_PER_READ + 1
    users = [{"user_id": str(n), "candidates": [{"ad_id": "ad"}]} for n in range(count)]
    path = write_parquet(tmp_path / "rows.parquet", users)

    rows = read(RowReader(ParquetRows(path)))

    assert [(str(row.number - 1)) for row in rows] == [row.request.user_id for row in rows]
    assert len(rows) == count


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    rows = [GOOD] * 50
    lines = JsonLines(write_lines(tmp_path / "rows.jsonl", rows))
    table = ParquetRows(write_parquet(tmp_path / "rows.parquet", rows))

    told: dict[str, list[int]] = {"KiB": [], "rows": []}
    for file in (lines, table):
        list(RowReader(file).read(told[file.unit].append))

    assert sum(told["KiB"]) == lines.total > 0
    assert sum(told["rows"]) == table.total == 50


@pytest.mark.parametrize("damage", ["cut short", "not gzip", "corrupt"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = write_lines(tmp_path / "rows.jsonl.gz", [body(user_id=str(n)) for n in range(100)])
    content = path.read_bytes()
    match damage:
        case "cut short":
            path.write_bytes(content[:-20])
        case "not gzip":
            path.write_bytes(gzip.decompress(content))
        case "corrupt":
            path.write_bytes(content[:200] + bytes(20) + content[220:])

    assert refusal(RowReader(JsonLines(path))).startswith(f"{path} cannot be read: ")


def test_a_line_too_long_to_be_a_row_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + b" " * (MAX_LINE_BYTES + 1))

    assert f"{path}, line 2: longer than" in refusal(RowReader(JsonLines(path)))


@pytest.mark.parametrize("open_file", [JsonLines, ParquetRows])
def test_a_file_that_is_not_there_is_refused(
    tmp_path: Path, open_file: type[JsonLines] | type[ParquetRows]
) -> None:
    with pytest.raises(StartupRefused, match=r"nowhere\.rows cannot be read"):
        open_file(tmp_path / "nowhere.rows")


def test_what_is_not_parquet_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.parquet", [GOOD])

    with pytest.raises(StartupRefused, match="cannot be read as Parquet") as refused:
        ParquetRows(path)

    assert len(str(refused.value).splitlines()) == 1
