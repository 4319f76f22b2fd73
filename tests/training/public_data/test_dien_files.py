"""The official DIEN files: labeled samples as they are, and the reviews behind them."""

from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.training.public_data.dien_log import read_dien_log
from app.training.public_data.dien_samples import write_dien_samples
from app.training.samples import read_samples
from tests.training.public_data import published_files as files
from tests.training.public_data.published_files import (
    AS_IDS,
    dien_samples,
    events_of,
    expected,
    ignore,
    write_lines,
)

USERS = [f"A{user}" for user in range(20)]
GOOD = "1\tu\ti\tc\ta\x02b\tx\x02y"


def write_samples(folder: Path, lines: list[str]) -> Path:
    write_lines(folder / "local_test_splitByUser", [GOOD])
    return write_lines(folder / "local_train_splitByUser", lines)


def converted(
    train: Path, out_dir: Path, *, seed: int = 7, max_history: int = 50
) -> list[list[str]]:
    """The rows of all three files, train first."""
    write_dien_samples(train, out_dir, seed=seed, max_history=max_history, on_bytes=ignore)
    lines = [
        line
        for split in ("train", "valid", "test")
        for line in (out_dir / f"{split}.tsv").read_text().splitlines()[1:]
    ]
    return [[field.replace('""', "") for field in line.split("\t")] for line in lines]


def users_of(path: Path) -> set[str]:
    return {line.split("\t")[1] for line in path.read_text().splitlines()[1:]}


@pytest.mark.parametrize("suffix", ["_splitByUser", "", "_splitByUser.gz"])
def test_samples_become_train_valid_and_test(tmp_path: Path, suffix: str) -> None:
    train = dien_samples(tmp_path / f"local_train{suffix}", USERS)
    test = dien_samples(tmp_path / f"local_test{suffix}", ["B1"])
    done: list[int] = []

    rows = write_dien_samples(train, tmp_path, seed=7, max_history=50, on_bytes=done.append)

    assert rows == {"train": 36, "valid": 4, "test": 2}
    assert sum(done) == 2 * train.stat().st_size + test.stat().st_size
    samples = read_samples(tmp_path / "test.tsv")
    assert samples.labels_C.tolist() == [0, 1]
    assert samples.candidates.ids["item_id"][:] == ["21", "13"]
    assert samples.candidates.ids["category_id"][:] == ["Poésie", ""]
    assert samples.users.ids["user_id"][:] == ["B1"]
    assert samples.behaviors.ids["item_id"][:] == ["11", "12"]
    assert samples.behaviors.ids["category_id"][:] == ["Mystery; Thriller & Suspense", ""]
    assert samples.behavior_times_N.tolist() == [1, 2]


def test_whole_users_are_drawn_for_validation_by_the_seed(tmp_path: Path) -> None:
    train = dien_samples(tmp_path / "local_train", USERS)
    dien_samples(tmp_path / "local_test", USERS)

    drawn = []
    for seed, out_dir in ((7, "a"), (7, "b"), (8, "c")):
        converted(train, tmp_path / out_dir, seed=seed)
        drawn.append(users_of(tmp_path / out_dir / "valid.tsv"))
        assert users_of(tmp_path / out_dir / "train.tsv") == set(USERS) - drawn[-1]

    assert [len(users) for users in drawn] == [2, 2, 2]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("histories", "ours"),
    [
        ("a\x02b\x02c\tx\x02y\x02z", ["3", "b,c", "y,z", "1,2"]),
        ("a\x02b\tx\x02y", ["3", "a,b", "x,y", "1,2"]),
        ("a\tx", ["2", "a", "x", "1"]),
        ("a\tdefault_cat", ["2", "a", "", "1"]),
        ("\t", ["1", "", "", ""]),
    ],
    ids=["longer", "as_long", "one", "no_category", "none"],
)
def test_the_newest_behaviors_keep_their_order_and_get_a_second_each(
    tmp_path: Path, histories: str, ours: list[str]
) -> None:
    lines = [f"0\t{user}\ti\tc\t{histories}" for user in ("u1", "u2")]

    rows = converted(write_samples(tmp_path, lines), tmp_path, max_history=2)

    assert [rows[0][4:], rows[1][4:]] == [ours, ours]
    assert len(read_samples(tmp_path / "train.tsv")) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1\tu\ti\tc\ta", "it is .*; 6 fields separated by"),
        ("2\tu\ti\tc\ta\tx", "label is '2'; 1 is a click"),
        ("1\t\ti\tc\ta\tx", "user_id is ''"),
        ("1\tu\t\tc\ta\tx", "item_id is ''"),
        ("1\tu\ti\tc\ta\x02b\tx", "history_cates is 'x'; it must be as long"),
        ("1\tu\ti\tc\t\tx", "history_cates is 'x'; it must be as long"),
    ],
    ids=["fields", "label", "user", "item", "shorter", "no_items"],
)
def test_a_bad_line_is_refused_by_number(tmp_path: Path, line: str, reason: str) -> None:
    train = write_samples(tmp_path, [GOOD, GOOD.replace("u", "v"), line])

    with pytest.raises(StartupRefused, match=rf"local_train_splitByUser, line 3: {reason}"):
        converted(train, tmp_path)

    assert not list(tmp_path.glob("*.tsv"))


def test_one_user_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match="has one user: two are needed"):
        converted(write_samples(tmp_path, [GOOD]), tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("local_train", r"local_test is not a file: .* belong beside local_train"),
        ("local_test", "is not named as training samples: give local_train_splitByUser"),
    ],
    ids=["alone", "test"],
)
def test_training_samples_are_given_with_test_samples_beside_them(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(StartupRefused, match=reason):
        converted(dien_samples(tmp_path / name, USERS), tmp_path)


def test_empty_test_samples_are_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    train = dien_samples(tmp_path / "local_train", USERS)
    write_lines(tmp_path / "local_test", [])

    with pytest.raises(StartupRefused, match="local_test has no samples"):
        converted(train, tmp_path)

    assert not list(tmp_path.glob("*.tsv"))


def test_the_reviews_behind_them_are_a_log(tmp_path: Path) -> None:
    reviews = files.reviews_info(tmp_path / "reviews-info")
    items = files.item_info(tmp_path / "item-info")
    done: list[int] = []

    public = read_dien_log(reviews, items, done.append)

    assert events_of(public.log) == expected(AS_IDS)
    assert public.counts == {"reviews": 8, "without_category": 0}
    assert sum(done) == reviews.stat().st_size + items.stat().st_size


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("reviews-info", "1\t11\t5.0", "reviews-info, line 9: .* 4 fields"),
        ("reviews-info", "1\t11\t5.0\tnow", "reviews-info, line 9: timestamp is 'now'"),
        ("item-info", "11", "item-info, line 9: it is '11'; 2 fields"),
    ],
    ids=["review", "time", "item"],
)
def test_a_bad_line_of_the_reviews_is_refused_by_number(
    tmp_path: Path, name: str, line: str, reason: str
) -> None:
    reviews = files.reviews_info(tmp_path / "reviews-info")
    items = files.item_info(tmp_path / "item-info")
    with (tmp_path / name).open("a") as file:
        file.write(f"{line}\n")

    with pytest.raises(StartupRefused, match=reason):
        read_dien_log(reviews, items, ignore)
