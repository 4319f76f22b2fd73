"""The official DIEN samples, such as `local_train_splitByUser`, become train, valid and test.

They hold no times. Behaviors keep their order: they get the seconds 1, 2, 3, ... and the candidate
the second after the last. Their pickled vocabularies are not needed: training learns its own.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import polars as pl

from app.errors import StartupRefused
from app.training.output_folder import make_folder
from app.training.public_data.line_blocks import LineBlock, OnBytes, read_blocks, split_fields
from app.training.sample_files import SAMPLE_COLUMNS, SPLITS, whole_file

HISTORIES = ("history_items", "history_cates")
COLUMNS = ("label", "user_id", "item_id", "cate_id", *HISTORIES)
JOINS_HISTORIES = "\x02"
NO_CATEGORY = "default_cat"  # of an item that is not in the metadata
VALID_SHARE = 0.1  # of the users, as many as the official files keep for the test


def is_dien_samples(line: str) -> bool:
    return line.count("\t") == len(COLUMNS) - 1


def held_out_file(train: Path) -> Path:
    """The file of test samples that belongs beside. Raises StartupRefused for no training file."""
    if "train" not in train.name:
        raise StartupRefused(
            f"{train} is not named as training samples: give local_train_splitByUser or "
            "local_train; the test samples are read from the file beside it"
        )
    return train.with_name(train.name.replace("train", "test"))


def write_dien_samples(
    train: Path, out_dir: Path, *, seed: int, max_history: int, on_bytes: OnBytes
) -> dict[str, int]:
    """Writes train.tsv, valid.tsv and test.tsv; how many rows each has.

    A tenth of the users of `train`, drawn by `seed`, is for validation. `on_bytes` is told of
    `train` twice. Raises StartupRefused with one line that names the file and the line.
    """
    test = held_out_file(train)
    if not test.is_file():
        raise StartupRefused(f"{test} is not a file: the test samples belong beside {train.name}")
    validation_users = _drawn_users(train, seed, on_bytes)
    make_folder(out_dir)
    rows = dict.fromkeys(SPLITS, 0)
    with ExitStack() as whole:
        files = {split: whole.enter_context(whole_file(out_dir, split)) for split in SPLITS}
        for file in files.values():
            file.write("\t".join(SAMPLE_COLUMNS) + "\n")
        for samples in _samples(train, max_history, on_bytes):
            is_valid = pl.col("user_id").is_in(validation_users)
            rows["train"] += _append(files["train"], samples.filter(~is_valid))
            rows["valid"] += _append(files["valid"], samples.filter(is_valid))
        for samples in _samples(test, max_history, on_bytes):
            rows["test"] += _append(files["test"], samples)
        if not rows["test"]:
            raise StartupRefused(f"{test} has no samples")
    return rows


def _drawn_users(train: Path, seed: int, on_bytes: OnBytes) -> pl.Series:
    blocks = (split_fields(block, "\t", COLUMNS) for block in read_blocks(train, on_bytes))
    users = pl.concat([fields.select("user_id").unique() for fields in blocks])
    distinct = users["user_id"].unique().sort().to_list()
    if len(distinct) < 2:
        raise StartupRefused(f"{train} has one user: two are needed to train and to validate")
    count = max(1, round(VALID_SHARE * len(distinct)))
    drawn = random.Random(seed).sample(distinct, count)  # noqa: S311 - the cut is no secret
    return pl.Series(drawn, dtype=pl.String)


def _samples(path: Path, max_history: int, on_bytes: OnBytes) -> Iterator[pl.DataFrame]:
    for block in read_blocks(path, on_bytes):
        yield _as_ours(_checked(block), max_history)


def _checked(block: LineBlock) -> pl.DataFrame:
    fields = split_fields(block, "\t", COLUMNS)
    label, user, item = fields["label"], fields["user_id"], fields["item_id"]
    places = block.places
    places.refuse_where(~label.is_in(["0", "1"]), label, "1 is a click and 0 is none")
    places.refuse_where(user == "", user, "every sample needs one")
    places.refuse_where(item == "", item, "every sample needs one")
    items, categories = (fields[name] for name in HISTORIES)
    counts = [ids.str.count_matches(JOINS_HISTORIES, literal=True) for ids in (items, categories)]
    differs = (counts[0] != counts[1]) | ((items == "") & (categories != ""))
    places.refuse_where(differs, categories, "it must be as long as history_items")
    return fields


def _as_ours(fields: pl.DataFrame, max_history: int) -> pl.DataFrame:
    """Commas join our histories, so those in names become semicolons."""
    newest = (
        fields.with_columns(pl.all().str.replace_all(",", ";", literal=True))
        .with_columns(
            pl.col("cate_id", "history_cates").str.replace_all(NO_CATEGORY, "", literal=True)
        )
        .with_columns(pl.col(HISTORIES).str.split(JOINS_HISTORIES).list.tail(max_history))
    )
    is_empty = fields["history_items"] == ""
    lengths = newest["history_items"].list.len().cast(pl.Int64).set(is_empty, 0)
    return newest.with_columns(
        pl.col(HISTORIES).list.join(","),
        timestamp=lengths + 1,
        history_timestamps=pl.Series(_seconds_texts(max_history)).gather(lengths),
    ).select(SAMPLE_COLUMNS)


def _seconds_texts(longest: int) -> list[str]:
    """`1,2,...,n` for every n from 0 on."""
    numbers = [str(second) for second in range(1, longest + 1)]
    return [",".join(numbers[:length]) for length in range(longest + 1)]


def _append(file: TextIO, samples: pl.DataFrame) -> int:
    samples.write_csv(file, separator="\t", include_header=False)
    return len(samples)
