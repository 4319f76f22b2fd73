"""Next-item click samples: every event but a user's first is a click, beside one that was not.

A user's last event is the test target, the one before it the validation target, and every earlier
one from the second on a training target. The negative beside a target is the item of another target
of the same split, so popularity alone tells nothing.
"""

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import StartupRefused
from app.training.interactions import InteractionLog

SPLITS = ("train", "valid", "test")
SAMPLE_COLUMNS = (
    "label",
    "user_id",
    "item_id",
    "cate_id",
    "timestamp",
    "history_items",
    "history_cates",
    "history_timestamps",
)
FEWEST_EVENTS = 3  # one to remember, one to validate with, one to test with

Row = Sequence[object]
OnTargets = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One event to predict and where the events of its user begin and end."""

    user: int
    first: int
    event: int
    end: int


def write_next_item_samples(
    log: InteractionLog,
    out_dir: Path,
    *,
    seed: int,
    max_history: int,
    on_targets: OnTargets = lambda _: None,
) -> dict[str, int]:
    """Writes train.tsv, valid.tsv and test.tsv; how many rows each has.

    `on_targets` is told how many more targets have been written. Raises StartupRefused for a log
    that leaves nothing to train on.
    """
    rng = random.Random(seed)  # noqa: S311 - negatives are no secret
    category_of = dict(zip(log.items, log.categories, strict=True))
    _make_folder(out_dir)
    rows = {}
    for split in SPLITS:
        targets = targets_of(log, split)
        if not targets:
            raise StartupRefused(
                f"no {split} targets: users need {FEWEST_EVENTS} events to be tested, "
                f"and some {FEWEST_EVENTS + 1} to be trained on"
            )
        samples = _samples(log, targets, category_of, rng, max_history)
        _write(out_dir / f"{split}.tsv", samples, on_targets)
        rows[split] = 2 * len(targets)
    return rows


def targets_of(log: InteractionLog, split: str) -> list[Target]:
    """The events of a split, user after user."""
    return [
        Target(user, first, event, end)
        for user, first, end in _users(log)
        for event in _events(split, first, end)
    ]


def count_targets(log: InteractionLog) -> int:
    """Targets of all three splits together."""
    return sum(end - first - 1 for _, first, end in _users(log))


def _make_folder(out_dir: Path) -> None:
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupRefused(f"{out_dir} cannot be a folder: {error.strerror}") from error


def _users(log: InteractionLog) -> Iterator[tuple[int, int, int]]:
    first = 0
    for user, end in enumerate(log.ends_U.tolist()):
        if end - first >= FEWEST_EVENTS:
            yield user, first, end
        first = end


def _events(split: str, first: int, end: int) -> range:
    match split:
        case "train":
            return range(first + 1, end - 2)
        case "valid":
            return range(end - 2, end - 1)
        case _:
            return range(end - 1, end)


def _samples(
    log: InteractionLog,
    targets: Sequence[Target],
    category_of: dict[str, str],
    rng: random.Random,
    max_history: int,
) -> Iterator[tuple[Row, Row]]:
    drawn_from = [log.items[target.event] for target in targets]
    distinct = set(drawn_from)
    for target in targets:
        user, event = log.user_ids[target.user], target.event
        own = set(log.items[target.first : target.end])
        if len(own) >= len(distinct) and distinct <= own:
            raise StartupRefused(
                f"user {user!r} has met every item that is a target: no negative is left to draw"
            )
        negative = rng.choice(drawn_from)
        while negative in own:
            negative = rng.choice(drawn_from)
        past = slice(max(target.first, event - max_history), event)
        histories = [",".join(ids[past]) for ids in (log.items, log.categories, log.times)]
        time = log.times[event]
        yield (
            (1, user, log.items[event], log.categories[event], time, *histories),
            (0, user, negative, category_of[negative], time, *histories),
        )


def _write(path: Path, samples: Iterator[tuple[Row, Row]], on_targets: OnTargets) -> None:
    """Under its own name only once it is whole."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(SAMPLE_COLUMNS)
        for pair in samples:
            writer.writerows(pair)
            on_targets(1)
    aside.replace(path)
