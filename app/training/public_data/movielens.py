"""MovieLens ratings, of all releases: what a user rated well counts as a click."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.errors import StartupRefused
from app.training.interactions import in_time_order
from app.training.public_data.events import PublicLog, ids, one_table, seconds
from app.training.public_data.item_categories import count_without_category, with_categories
from app.training.public_data.line_blocks import (
    LineBlock,
    OnBytes,
    first_line,
    read_blocks,
    split_fields,
)
from app.training.public_data.movie_genres import read_genres

COLUMNS = ("user", "movie", "rating", "timestamp")
CSV_HEADER = "userId,movieId,rating,timestamp"


@dataclass(frozen=True, slots=True)
class Release:
    """How a release writes its ratings."""

    name: str
    separator: str
    header_lines: int = 0


def read_movielens(ratings: Path, movies: Path, min_rating: float, on_bytes: OnBytes) -> PublicLog:
    """Raises StartupRefused with one line that names the file and the line."""
    release = release_of(ratings)
    counts: Counter[str] = Counter(events=0, below_min_rating=0)
    blocks = read_blocks(ratings, on_bytes, header_lines=release.header_lines)
    tables = [_liked(_ratings(block, release), min_rating, counts) for block in blocks]
    events = with_categories(one_table(ratings, tables), read_genres(movies, on_bytes), movies)
    counts["without_category"] = count_without_category(events)
    return PublicLog(f"MovieLens {release.name}", in_time_order(events), counts)


def release_of(ratings: Path) -> Release:
    """Raises StartupRefused for what is no file of ratings."""
    line = first_line(ratings)
    if line == CSV_HEADER:
        return Release("ratings.csv", ",", header_lines=1)
    if line.count("::") == 3:
        return Release("ratings.dat", "::")
    if line.count("\t") == 3:
        return Release("u.data", "\t")
    raise StartupRefused(
        f"{ratings} has no MovieLens ratings: it is ratings.csv (header {CSV_HEADER}), "
        "ratings.dat (fields separated by ::) or u.data (by tabs)"
    )


def _ratings(block: LineBlock, release: Release) -> pl.DataFrame:
    fields = split_fields(block, release.separator, COLUMNS)
    stars = fields["rating"].cast(pl.Float64, strict=False)
    block.places.refuse_where(stars.is_null(), fields["rating"], "a number of stars is needed")
    return pl.DataFrame(
        {
            "user": ids(block.places, fields["user"]),
            "item": ids(block.places, fields["movie"]),
            "time": seconds(block.places, fields["timestamp"]),
            "stars": stars,
        }
    )


def _liked(ratings: pl.DataFrame, min_rating: float, counts: Counter[str]) -> pl.DataFrame:
    liked = ratings.filter(pl.col("stars") >= min_rating).drop("stars")
    counts["below_min_rating"] += len(ratings) - len(liked)
    counts["events"] += len(liked)
    return liked
