"""Amazon reviews of every release give the same events."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.training.public_data.amazon import read_amazon
from app.training.public_data.amazon_categories import leaf_category
from app.training.public_data.records import parse_record
from tests.training.public_data import published_files as files
from tests.training.public_data.published_files import (
    AS_IDS,
    events_of,
    expected,
    ignore,
    review_2014,
)

Writer = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("reviews", "name", "metadata", "metadata_name", "year"),
    [
        (files.reviews_2014, "r.json", files.metadata_2014, "m.json", 2014),
        (files.reviews_2014, "r.json.gz", files.metadata_2014, "m.json.gz", 2014),
        (files.reviews_2018, "r.json.gz", files.metadata_2018, "m.json.gz", 2018),
        (files.reviews_2023, "r.jsonl.gz", files.metadata_2023, "m.jsonl.gz", 2023),
        (files.reviews_2023, "r.parquet", files.metadata_2023, "m.parquet", 2023),
        (files.ratings_2023, "r.csv.gz", files.metadata_2023, "m.jsonl", 2023),
    ],
    ids=["2014", "2014_gz", "2018", "2023_jsonl", "2023_parquet", "2023_csv"],
)
def test_every_release_gives_the_same_events(
    tmp_path: Path, reviews: Writer, name: str, metadata: Writer, metadata_name: str, year: int
) -> None:
    paths = reviews(tmp_path / name), metadata(tmp_path / metadata_name)
    done: list[int] = []

    public = read_amazon(*paths, done.append)

    assert events_of(public.log) == expected(AS_IDS)
    assert public.source == f"Amazon reviews of {year}"
    assert public.counts == {"reviews": 8, "without_category": 0}
    assert sum(done) == sum(path.stat().st_size for path in paths)


def test_reviews_without_a_parent_are_of_their_asin(tmp_path: Path) -> None:
    rows = [files.review_2023(*click) for click in files.CLICKS]
    renamed = [row | {"asin": row.pop("parent_asin")} for row in rows]
    path = files.write_objects(tmp_path / "r.jsonl", renamed)

    public = read_amazon(path, files.metadata_2023(tmp_path / "m.jsonl"), ignore)

    assert events_of(public.log) == expected(AS_IDS)


def test_an_item_without_metadata_has_no_category(tmp_path: Path) -> None:
    reviews = [review_2014(item="11"), review_2014(item="new")]
    path = files.write_objects(tmp_path / "r.json", reviews)

    public = read_amazon(path, files.metadata_2014(tmp_path / "m.json"), ignore)

    assert public.log.categories == [AS_IDS["11"], ""]
    assert public.counts["without_category"] == 1


@pytest.mark.parametrize(
    ("record", "category"),
    [
        ({"categories": [["Books", "Art"], ["Books"]]}, "Art"),
        ({"categories": [[""]]}, ""),
        ({"categories": [[]]}, ""),
        ({"category": ["Books", "Art"], "main_cat": "Books"}, "Art"),
        ({"category": [], "main_cat": "Books"}, ""),
        ({"categories": ["Beauty", "Hair"], "main_category": "All Beauty"}, "Hair"),
        ({"categories": [], "main_category": "All Beauty"}, "All Beauty"),
        ({"categories": [], "main_category": None}, ""),
        ({"categories": "Beauty"}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_the_category_is_the_end_of_the_first_path(
    record: dict[str, object], category: str
) -> None:
    assert leaf_category(record) == category


def test_the_first_row_of_an_item_and_one_line_of_a_category_count(tmp_path: Path) -> None:
    reviews = files.write_objects(tmp_path / "r.json", [review_2014(item="1")])
    metadata = files.write_objects(
        tmp_path / "m.json",
        [{"asin": "1", "category": ["\n Home,\t Kitchen "]}, {"asin": "1", "category": ["B"]}],
    )

    assert read_amazon(reviews, metadata, ignore).log.categories == ["Home; Kitchen"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"asin": None}, "asin is missing"),
        ({"asin": ""}, "asin is ''"),
        ({"asin": "a,b"}, "asin is 'a,b'; commas join histories"),
        ({"reviewerID": None}, "reviewerID is missing"),
        ({"unixReviewTime": None}, "unixReviewTime is missing; unix seconds"),
        ({"unixReviewTime": "01 1, 2018"}, "unixReviewTime is '01 1, 2018'; unix seconds"),
        ({"unixReviewTime": -1}, "unixReviewTime is '-1'; unix seconds"),
    ],
    ids=["item", "empty_item", "comma", "user", "time", "date", "negative"],
)
def test_a_review_that_lacks_what_it_needs_is_refused_by_line(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    reviews = [review_2014(), review_2014() | changes]
    path = files.write_objects(tmp_path / "r.json", reviews)

    with pytest.raises(StartupRefused, match=rf"r\.json, line 2: {reason}"):
        read_amazon(path, files.metadata_2014(tmp_path / "m.json"), ignore)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_seconds_in_the_place_of_milliseconds_are_refused(tmp_path: Path, suffix: str) -> None:
    reviews = [files.review_2023("1", "11", 0), files.review_2023("1", "12", 0)]
    reviews[1]["timestamp"] = 1_588_687_728
    path = files.write_objects(tmp_path / f"r.{suffix}", reviews)
    unit = "row" if suffix == "parquet" else "line"

    with pytest.raises(StartupRefused, match=rf"{unit} 2: timestamp is '1588687728'; unix milli"):
        read_amazon(path, files.metadata_2023(tmp_path / "m.jsonl"), ignore)


@pytest.mark.parametrize(
    "line",
    ['{"asin": "12", ', "{'asin': __import__('os').getcwd()}", "[1]", "asin", "(" * 5000],
    ids=["cut_off", "code", "list", "text", "deep"],
)
def test_what_is_no_object_is_refused_by_line_and_never_evaluated(
    tmp_path: Path, line: str
) -> None:
    metadata = files.write_lines(tmp_path / "m.json", [repr(files.product_2014("11")), line])

    with pytest.raises(StartupRefused, match=r"m\.json, line 2: it is neither a JSON object nor"):
        read_amazon(files.reviews_2014(tmp_path / "r.json"), metadata, ignore)

    assert parse_record(line) is None


def test_metadata_without_an_item_is_refused_by_line(tmp_path: Path) -> None:
    metadata = files.write_objects(tmp_path / "m.json", [{"category": ["Books"]}])

    with pytest.raises(StartupRefused, match=r"m\.json, line 1: asin is missing"):
        read_amazon(files.reviews_2018(tmp_path / "r.json"), metadata, ignore)


def test_metadata_of_other_items_is_refused(tmp_path: Path) -> None:
    metadata = files.write_objects(tmp_path / "m.json", [{"asin": "x", "category": ["Books"]}])

    with pytest.raises(StartupRefused, match=r"m\.json has none of the 8 items with events"):
        read_amazon(files.reviews_2018(tmp_path / "r.json"), metadata, ignore)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("r.json", '{"user": 1}\n', "has no Amazon reviews: .* it has user$"),
        ("r.json", "1,2,3\n", "has no Amazon reviews"),
        ("r.csv", "1,2,5.0,1390694400\n", "has no Amazon reviews"),
        ("r.csv", "user_id,parent_asin,rating,timestamp\n", "has no events"),
        ("r.parquet", "no parquet", "cannot be read as Parquet"),
    ],
    ids=["other_fields", "no_json", "no_header", "header_only", "no_parquet"],
)
def test_what_has_no_reviews_is_refused(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(StartupRefused, match=reason):
        read_amazon(path, files.metadata_2014(tmp_path / "m.json"), ignore)


def test_parquet_metadata_of_another_shape_is_refused(tmp_path: Path) -> None:
    metadata = files.write_objects(tmp_path / "m.parquet", [{"parent_asin": "11"}])

    with pytest.raises(StartupRefused, match=r"m\.parquet is no Amazon metadata of 2023"):
        read_amazon(files.reviews_2023(tmp_path / "r.parquet"), metadata, ignore)
