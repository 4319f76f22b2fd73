"""MovieLens ratings of every release give the same events; what is rated well is a click."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.training.public_data.movie_genres import read_genres
from app.training.public_data.movielens import read_movielens
from tests.training.public_data import published_files as files
from tests.training.public_data.published_files import (
    GENRES,
    events_of,
    expected,
    ignore,
    write_lines,
)

Writer = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("ratings", "ratings_name", "movies", "movies_name"),
    [
        (files.ratings_csv, "ratings.csv", files.movies_csv, "movies.csv"),
        (files.ratings_dat, "ratings.dat", files.movies_dat, "movies.dat"),
        (files.u_data, "u.data", files.u_item, "u.item"),
    ],
    ids=["csv", "dat", "100k"],
)
def test_every_release_gives_the_same_events(
    tmp_path: Path, ratings: Writer, ratings_name: str, movies: Writer, movies_name: str
) -> None:
    paths = ratings(tmp_path / ratings_name), movies(tmp_path / movies_name)
    done: list[int] = []

    public = read_movielens(*paths, 4.0, done.append)

    assert events_of(public.log) == expected(GENRES)
    assert public.source == f"MovieLens {ratings_name}"
    assert public.counts == {"events": 8, "below_min_rating": 0, "without_category": 6}
    assert sum(done) == sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize(
    ("min_rating", "liked"),
    [(4.0, ["13", "14"]), (3.5, ["12", "13", "14"]), (0.5, ["11", "12", "13", "14"])],
    ids=str,
)
def test_a_rating_of_at_least_the_threshold_is_a_click(
    tmp_path: Path, min_rating: float, liked: list[str]
) -> None:
    stars = {"11": "0.5", "12": "3.5", "13": "4.0", "14": "5.0"}
    lines = [f"7::{item}::{rating}::838985046" for item, rating in stars.items()]
    ratings = write_lines(tmp_path / "ratings.dat", lines)

    public = read_movielens(ratings, files.movies_dat(tmp_path / "movies.dat"), min_rating, ignore)

    assert public.log.items == liked
    assert public.counts["below_min_rating"] == 4 - len(liked)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,4.0", "it is '1,2,4.0'; 4 fields"),
        ("1,2,good,838985046", "rating is 'good'; a number of stars"),
        ("1,2,4.0,yesterday", "timestamp is 'yesterday'; unix seconds"),
        (",2,4.0,838985046", "user is ''"),
    ],
    ids=["fewer", "rating", "time", "user"],
)
def test_a_bad_rating_is_refused_by_line(tmp_path: Path, line: str, reason: str) -> None:
    ratings = write_lines(tmp_path / "ratings.csv", ["userId,movieId,rating,timestamp", line])

    with pytest.raises(StartupRefused, match=rf"ratings\.csv, line 2: {reason}"):
        read_movielens(ratings, files.movies_csv(tmp_path / "movies.csv"), 4.0, ignore)


@pytest.mark.parametrize(
    ("first", "bad"),
    [
        ("movieId,title,genres", "1"),
        ("1::Heat (1995)::Action", "2::Heat (1995)"),
        ("1|Heat|01-Jan-1995||url" + "|0" * 19, "2|Heat"),
    ],
    ids=["csv", "dat", "u_item"],
)
def test_a_bad_movie_is_refused_by_line(tmp_path: Path, first: str, bad: str) -> None:
    movies = write_lines(tmp_path / "movies", [first, bad])

    with pytest.raises(
        StartupRefused, match=rf"movies, line 2: it is '{bad[:3].replace('|', '.')}"
    ):
        read_genres(movies, ignore)


def test_what_has_no_ratings_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "tags.csv", ["userId,movieId,tag,timestamp"])

    with pytest.raises(StartupRefused, match=r"tags\.csv has no MovieLens ratings"):
        read_movielens(path, files.movies_csv(tmp_path / "movies.csv"), 4.0, ignore)


def test_what_has_no_movies_is_refused(tmp_path: Path) -> None:
    ratings = files.ratings_csv(tmp_path / "ratings.csv")

    with pytest.raises(StartupRefused, match=r"ratings\.csv has no MovieLens movies"):
        read_movielens(ratings, ratings, 4.0, ignore)


def test_ratings_below_the_threshold_alone_are_refused(tmp_path: Path) -> None:
    ratings = files.ratings_csv(tmp_path / "ratings.csv")

    with pytest.raises(StartupRefused, match=r"ratings\.csv has no events"):
        read_movielens(ratings, files.movies_csv(tmp_path / "movies.csv"), 5.0, ignore)
