"""Handmade files in the exact formats of the published ones, all of the same eight clicks."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from app.training.interactions import InteractionLog

FIRST_S = 1_511_539_200  # the first second of Taobao's nine days
DAY_S = 86_400
# user, item, day; in no order, and the two users share no item
CLICKS = [
    ("1", "12", 2),
    ("2", "21", 0),
    ("1", "11", 0),
    ("1", "13", 3),
    ("2", "22", 1),
    ("1", "14", 4),
    ("2", "23", 5),
    ("2", "24", 6),
]
IN_ORDER = [*(("1", f"1{n}", day) for n, day in ((1, 0), (2, 2), (3, 3), (4, 4)))]
IN_ORDER += [*(("2", f"2{n}", day) for n, day in ((1, 0), (2, 1), (3, 5), (4, 6)))]
CATEGORIES = {
    "11": "Mystery, Thriller & Suspense",
    "12": "Fantasy",
    "13": "Fantasy",
    "14": "Poésie",
    "21": "Poésie",
    "22": "Poésie",
    "23": "Fantasy",
    "24": "Fantasy",
}
AS_IDS = {**CATEGORIES, "11": "Mystery; Thriller & Suspense"}  # commas join histories
GENRES = {"11": "Action", "12": "Comedy", **dict.fromkeys(list(CATEGORIES)[2:], "")}

Event = tuple[str, str, str, int]


def ignore(_: int) -> None:
    """A progress that nobody watches."""


def expected(categories: Mapping[str, str]) -> list[Event]:
    return [(user, item, categories[item], FIRST_S + day * DAY_S) for user, item, day in IN_ORDER]


def events_of(log: InteractionLog) -> list[Event]:
    """User, item, category and second of every event of a log."""
    users = []
    for user, end in zip(log.user_ids, log.ends_U, strict=True):
        users += [user] * int(end - len(users))
    return list(zip(users, log.items, log.categories, map(int, log.times), strict=True))


def write_lines(path: Path, lines: Iterable[str], encoding: str = "utf-8") -> Path:
    text = "".join(f"{line}\n" for line in lines).encode(encoding)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_objects(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
        return path
    return write_lines(path, (json.dumps(row, ensure_ascii=False) for row in rows))


def review_2014(user: str = "1", item: str = "11", day: int = 0) -> dict[str, object]:
    return {
        "reviewerID": user,
        "asin": item,
        "reviewerName": "J. McDonald",
        "helpful": [2, 3],
        "reviewText": "Un café — “great”.\u2028Really, it's.",
        "overall": 5.0,
        "summary": "Heavenly",
        "unixReviewTime": FIRST_S + day * DAY_S,
        "reviewTime": "09 13, 2009",
    }


def review_2018(user: str, item: str, day: int) -> dict[str, object]:
    return {
        "overall": 5.0,
        "vote": "2",
        "verified": True,
        "reviewTime": "01 1, 2018",
        "reviewerID": user,
        "asin": item,
        "style": {"Size:": "Large"},
        "reviewText": "Schön",
        "unixReviewTime": FIRST_S + day * DAY_S,
    }


def review_2023(user: str, item: str, day: int) -> dict[str, object]:
    """`asin` is a variant of the product, whose id is `parent_asin`."""
    return {
        "rating": 5.0,
        "title": "Très bien",
        "text": "Such a lovely scent",
        "images": [],
        "asin": f"variant of {item}",
        "parent_asin": item,
        "user_id": user,
        "timestamp": (FIRST_S + day * DAY_S) * 1000 + 923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }


def product_2014(item: str) -> dict[str, object]:
    """Has two category paths, of which the first counts."""
    return {
        "asin": item,
        "title": 'It\'s "ballet"',
        "price": 3.17,
        "related": {"also_bought": ["B00JHONN1S"]},
        "salesRank": {"Toys & Games": 211836},
        "categories": [["Books", "Fiction", CATEGORIES[item]], ["Books", "Other"]],
    }


def product_2018(item: str) -> dict[str, object]:
    path = ["Books", CATEGORIES[item]]
    return {"category": path, "title": "", "rank": [], "main_cat": "Books", "asin": item}


def product_2023(item: str) -> dict[str, object]:
    """The path is often empty; then the main category is all there is."""
    return {
        "main_category": CATEGORIES[item],
        "title": "Howard LC0008 Leather Conditioner",
        "price": None,
        "categories": [] if item == "11" else ["Books", CATEGORIES[item]],
        "parent_asin": item,
    }


def reviews_2014(path: Path) -> Path:
    return write_objects(path, [review_2014(*click) for click in CLICKS])


def metadata_2014(path: Path) -> Path:
    return write_lines(path, (repr(product_2014(item)) for item in CATEGORIES))


def reviews_2018(path: Path) -> Path:
    return write_objects(path, [review_2018(*click) for click in CLICKS])


def metadata_2018(path: Path) -> Path:
    return write_objects(path, [product_2018(item) for item in CATEGORIES])


def reviews_2023(path: Path) -> Path:
    return write_objects(path, [review_2023(*click) for click in CLICKS])


def ratings_2023(path: Path) -> Path:
    """The 5-core CSV."""
    reviews = [review_2023(*click) for click in CLICKS]
    columns = ("user_id", "parent_asin", "rating", "timestamp")
    rows = (",".join(str(review[name]) for name in columns) for review in reviews)
    return write_lines(path, [",".join(columns), *rows])


def metadata_2023(path: Path) -> Path:
    return write_objects(path, [product_2023(item) for item in CATEGORIES])


def dien_samples(path: Path, users: Iterable[str]) -> Path:
    """As the official scripts leave them: for each user a random item, then the clicked one."""
    histories = "11\x0212\tMystery, Thriller & Suspense\x02default_cat"
    candidates = ("0\t{user}\t21\tPoésie", "1\t{user}\t13\tdefault_cat")
    lines = (f"{line}\t{histories}".format(user=user) for user in users for line in candidates)
    return write_lines(path, lines)


def reviews_info(path: Path) -> Path:
    return write_lines(path, _joined("\t", "5.0"))


def item_info(path: Path) -> Path:
    return write_lines(path, (f"{item}\t{category}" for item, category in CATEGORIES.items()))


def user_behavior(path: Path, behaviors: Iterable[str] = ("pv",)) -> Path:
    """Each click once for every kind of behavior."""
    kinds = [(click, behavior) for click in CLICKS for behavior in behaviors]
    return write_lines(path, (user_behavior_line(*click, behavior) for click, behavior in kinds))


def user_behavior_line(user: str, item: str, day: float, behavior: str = "pv") -> str:
    return f"{user},{item},{100 + int(item)},{behavior},{FIRST_S + int(day * DAY_S)}"


def ratings_csv(path: Path) -> Path:
    return write_lines(path, ["userId,movieId,rating,timestamp", *_joined(",", "4.5")])


def movies_csv(path: Path) -> Path:
    first = '11,"American President, The ""1995"" (1995)",Action|Drama'
    second = "12,Cité des enfants perdus (1995),Comedy"
    others = (f"{item},Untitled,(no genres listed)" for item in list(GENRES)[2:])
    return write_lines(path, ["movieId,title,genres", first, second, *others])


def ratings_dat(path: Path) -> Path:
    return write_lines(path, _joined("::", "5"))


def movies_dat(path: Path) -> Path:
    named = ("11::Cité::perdue, La (1995)::Action|Drama", "12::Toy Story (1995)::Comedy")
    others = (f"{item}::Untitled::(no genres listed)" for item in list(GENRES)[2:])
    return write_lines(path, [*named, *others], "latin-1")


def u_data(path: Path) -> Path:
    return write_lines(path, _joined("\t", "4"))


def u_item(path: Path) -> Path:
    """19 flags a movie; the first is of an unknown genre, the second of Action."""
    flags = {"11": "0|1|0|0|0|0|0|0|1", "12": "0|0|0|0|0|1|0|0|0"}
    return write_lines(
        path,
        (
            f"{item}|Misérables, Les (1995)|01-Jan-1995||http://us.imdb.com/|"
            f"{flags.get(item, '1|0|0|0|0|0|0|0|0')}{'|0' * 10}"
            for item in GENRES
        ),
        "latin-1",
    )


def _joined(separator: str, rating: str) -> list[str]:
    return [
        separator.join((user, item, rating, str(FIRST_S + day * DAY_S)))
        for user, item, day in CLICKS
    ]
