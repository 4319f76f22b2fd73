"""Blocks of lines: all of the file, by number, whatever its size, ends and compression."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import StartupRefused
from app.training.public_data.line_blocks import first_line, read_blocks, split_fields
from tests.training.public_data.published_files import ignore


def numbered(path: Path, **options: object) -> dict[int, str]:
    return {
        number: line
        for block in read_blocks(path, ignore, **options)
        for number, line in zip(block.places.numbers, block.lines, strict=True)
    }


@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_every_line_that_is_not_blank_is_read_with_its_number(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, compressed: bool
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    text = end.join(lines).encode()
    path = folder / ("lines.gz" if compressed else "lines")
    path.write_bytes(gzip.compress(text) if compressed else text)

    found = numbered(path)

    assert found == {number: line for number, line in enumerate(lines, 1) if line.strip(" ")}


def test_a_file_of_many_blocks_is_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("".join(f"line {number}\n" for number in range(1, 101)))
    done: list[int] = []

    blocks = list(read_blocks(path, done.append, block_bytes=20))

    assert len(blocks) > 10
    assert [line for block in blocks for line in block.lines] == [
        f"line {number}" for number in range(1, 101)
    ]
    assert [number for block in blocks for number in block.places.numbers] == list(range(1, 101))
    assert sum(done) == path.stat().st_size


def test_header_lines_are_left_out_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("header\nrow\n")

    assert numbered(path, header_lines=1) == {2: "row"}
    assert first_line(path) == "header"


def test_what_is_not_text_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"good\nna\xefve\n")

    with pytest.raises(StartupRefused, match=r"lines, line 2: it is not utf-8 text"):
        numbered(path)

    assert numbered(path, encoding="latin-1") == {1: "good", 2: "naïve"}


@pytest.mark.parametrize("line", ["a,b", "a,b,c,d"], ids=["fewer", "more"])
def test_another_number_of_fields_is_refused_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(f"1,2,3\n\n{line}\n")
    (block,) = read_blocks(path, ignore)

    with pytest.raises(StartupRefused, match=rf"line 3: it is '{line}'; 3 fields .* x y z"):
        split_fields(block, ",", ("x", "y", "z"))


def test_fields_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("a::::\n")
    (block,) = read_blocks(path, ignore)

    assert split_fields(block, "::", ("x", "y", "z")).row(0) == ("a", "", "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is not a file"),
        (b"no gzip", "cannot be read: Not a gzipped file"),
        (gzip.compress(b"line\n" * 1000)[:-12], "cannot be read: Compressed file ended"),
        (gzip.compress(b""), "is empty, or its first line is"),
    ],
    ids=["missing", "no_gzip", "cut_off", "empty"],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "reviews.json.gz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StartupRefused, match=rf"reviews\.json\.gz {reason}"):
        first_line(path) and numbered(path)
