"""Sample files with a planted pattern: users click items of the category they have behaviors in."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from app.core.batch import RaggedBatch
from app.models.dien.config import DienConfig
from app.training.options import OptimizerOptions, RegularizationOptions, TrainerOptions
from app.training.sample_files import SAMPLE_COLUMNS
from app.training.steps import StepBatch

CATEGORIES = 6
ITEMS_PER_CATEGORY = 8
SMALL_DIEN = DienConfig(hidden_size=8, attention_units=(8,), mlp_units=(16,), auxiliary_units=(8,))
QUICK = TrainerOptions(
    epochs=6,
    batch_size=64,
    patience=6,
    seed=3,
    optimizer=OptimizerOptions(learning_rate=1e-2),
    regularization=RegularizationOptions(id_dropout=0.1),
)

Row = Mapping[str, object]


def sample(
    label: object = 1,
    user: str = "u",
    item: str = "i1",
    category: str = "c1",
    history: Sequence[tuple[str, str, object]] = (),
    **fields: object,
) -> Row:
    """One row of a sample file."""
    items, categories, times = (
        (",".join(str(event[part]) for event in history)) for part in range(3)
    )
    standard = (label, user, item, category, 1_000, items, categories, times)
    return dict(zip(SAMPLE_COLUMNS, standard, strict=True)) | fields


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def planted_rows(users: int, *, seed: int, click_rate: float = 0.5) -> list[Row]:
    """Per user a history within one category, and candidates: clicked if they are of it.

    The pauses grow, so that some of them end a session. `device` and `price` say nothing;
    `price` is missing now and then.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        favorite = int(rng.integers(CATEGORIES))
        history = [_event(favorite, rng, step) for step in range(int(rng.integers(0, 7)))]
        sides = {"device": str(rng.choice(["phone", "desktop"]))}
        for label in (rng.random(4) < click_rate).astype(int):
            other = (favorite + int(rng.integers(1, CATEGORIES))) % CATEGORIES
            item, category, _ = _event(favorite if label else other, rng, 0)
            price = f"{rng.normal(5, 2):.2f}" if rng.random() < 0.9 else ""
            rows.append(sample(label, f"u{user}", item, category, history, price=price, **sides))
    return rows


def planted_folder(folder: Path, *, users: int = 200, click_rate: float = 0.5) -> Path:
    for seed, split in enumerate(("train", "valid", "test")):
        rows = planted_rows(users, seed=seed, click_rate=click_rate)
        write_rows(folder / f"{split}.tsv", rows)
    return folder


def ragged_batch(seed: int, *, users: int) -> RaggedBatch:
    """Users with three behaviors and two candidates each, in tables of 9 rows."""
    rng = np.random.default_rng(seed)
    none, counts = np.empty((users, 0), np.int64), np.full(users, 3)
    return RaggedBatch(
        lengths_U=counts,
        behaviors_NF=rng.integers(1, 9, (3 * users, 2)),
        behavior_seconds_N=np.arange(3 * users),
        user_sparse_US=none,
        user_dense_UD=none.astype(np.float32),
        candidates_CF=rng.integers(1, 9, (2 * users, 2)),
        candidate_sparse_CS=np.empty((2 * users, 0), np.int64),
        candidate_dense_CD=np.empty((2 * users, 0), np.float32),
        user_of_C=np.repeat(np.arange(users), 2),
    )


def step_of(lengths_U: list[int], candidates_U: list[int], seed: int = 0) -> StepBatch:
    """Of users with so many behaviors and candidates; everything in tables of 9 rows."""
    rng = np.random.default_rng(seed)
    users, behaviors, candidates = len(lengths_U), sum(lengths_U), sum(candidates_U)
    return StepBatch(
        labels_C=rng.random(candidates, np.float32),
        weights_C=rng.random(candidates, np.float32),
        sampled_NF=rng.integers(9, size=(behaviors, 2)),
        batch=RaggedBatch(
            lengths_U=np.array(lengths_U),
            behaviors_NF=rng.integers(9, size=(behaviors, 2)),
            behavior_seconds_N=rng.integers(9, size=behaviors),
            user_sparse_US=rng.integers(9, size=(users, 1)),
            user_dense_UD=rng.random((users, 1), np.float32),
            candidates_CF=rng.integers(9, size=(candidates, 2)),
            candidate_sparse_CS=rng.integers(9, size=(candidates, 1)),
            candidate_dense_CD=rng.random((candidates, 1), np.float32),
            user_of_C=np.repeat(np.arange(users), candidates_U),
        ),
    )


def _event(category: int, rng: np.random.Generator, step: int) -> tuple[str, str, int]:
    item = int(rng.integers(ITEMS_PER_CATEGORY))
    return f"i{category}-{item}", f"c{category}", 1_700_000_000 + 1_000 * step**2
