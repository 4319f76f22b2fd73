"""Next-item click samples: every event but a user's first is a click, beside one that was not.

A user's last event is the test target, the one before it the validation target, and every earlier
one from the second on a training target. The negative beside a target is the item of another target
of the same split, so popularity alone tells nothing.
"""

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TextIO

from app.errors import StartupRefused
from app.training.interactions import InteractionLog
from app.training.output_folder import make_folder
from app.training.sample_files import SAMPLE_COLUMNS, SPLITS, whole_file

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
    max_targets: int | None = None,
    on_targets: OnTargets = lambda _: None,
) -> dict[str, int]:
    """Writes train.tsv, valid.tsv and test.tsv; how many rows each has.

    Of a user's training targets the newest `max_targets` are taken, None being all of them.
    `on_targets` is told how many more targets have been written. Raises StartupRefused for a log
    that leaves nothing to train on.
    """
    rng = random.Random(seed)  # noqa: S311 - negatives are no secret
    category_of = dict(zip(log.items, log.categories, strict=True))
    make_folder(out_dir)
    rows = {}
    for split in SPLITS:
        targets = targets_of(log, split, max_targets)
        if not targets:
            raise StartupRefused(
                f"no {split} targets: users need {FEWEST_EVENTS} events to be tested, "
                f"and some {FEWEST_EVENTS + 1} to be trained on"
            )
        samples = _samples(log, targets, category_of, rng, max_history)
        with whole_file(out_dir, split) as file:
            _write(file, samples, on_targets)
        rows[split] = 2 * len(targets)
    return rows


def targets_of(log: InteractionLog, split: str, max_targets: int | None = None) -> list[Target]:
    """The events of a split, user after user."""
    return [
        Target(user, first, event, end)
        for user, first, end in _users(log)
        for event in _events(split, first, end, max_targets)
    ]


def count_targets(log: InteractionLog, max_targets: int | None = None) -> int:
    """Targets of all three splits together."""
    return sum(
        len(_events(split, first, end, max_targets))
        for _, first, end in _users(log)
        for split in SPLITS
    )


def _users(log: InteractionLog) -> Iterator[tuple[int, int, int]]:
    first = 0
    for user, end in enumerate(log.ends_U.tolist()):
        if end - first >= FEWEST_EVENTS:
            yield user, first, end
        first = end


def _events(split: str, first: int, end: int, max_targets: int | None) -> range:
    match split:
        case "train":
            newest = first + 1 if max_targets is None else end - 2 - max_targets
            return range(max(first + 1, newest), end - 2)
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
    for (number, first, end), of_user in groupby(targets, key=attrgetter("user", "first", "end")):
        user, own = log.user_ids[number], set(log.items[first:end])
        if len(own) >= len(distinct) and distinct <= own:
            raise StartupRefused(
                f"user {user!r} has met every item that is a target: no negative is left to draw"
            )
        for target in of_user:
            negative = rng.choice(drawn_from)
            while negative in own:
                negative = rng.choice(drawn_from)
            yield _pair(log, target, (negative, category_of[negative]), max_history)


def _pair(
    log: InteractionLog, target: Target, negative: tuple[str, str], max_history: int
) -> tuple[Row, Row]:
    user, event = log.user_ids[target.user], target.event
    past = slice(max(target.first, event - max_history), event)
    histories = [",".join(ids[past]) for ids in (log.items, log.categories, log.times)]
    time = log.times[event]
    return (
        (1, user, log.items[event], log.categories[event], time, *histories),
        (0, user, *negative, time, *histories),
    )


def _write(file: TextIO, samples: Iterator[tuple[Row, Row]], on_targets: OnTargets) -> None:
    writer = csv.writer(file, delimiter="\t")
    writer.writerow(SAMPLE_COLUMNS)
    for pair in samples:
        writer.writerows(pair)
        on_targets(1)
