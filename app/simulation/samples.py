"""Training samples of a world: impressions with drawn clicks and the clicks that came before."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.simulation.traffic import DAY_S
from app.simulation.world import AdWorld

# N impressions of the whole log

Bools = NDArray[np.bool_]

SAMPLE_COLUMNS = (
    "label",
    "user_id",
    "item_id",
    "cate_id",
    "timestamp",
    "history_items",
    "history_cates",
    "history_timestamps",
    "true_ctr",
)
_KEEPING_SEED = 1  # which negatives are kept is drawn apart from what happens in the world


@dataclass(frozen=True, slots=True)
class Split:
    """Days before the present whose impressions become samples: train, then valid, then test."""

    train_days: int = 20
    valid_days: int = 3
    test_days: int = 3
    max_history: int = 50  # the newest clicks are kept
    min_history: int = 0  # impressions of users with fewer clicks so far are left out
    negatives_kept: float = 1.0  # share of the training impressions without a click, drawn

    def windows_s(self, now_s: int) -> dict[str, tuple[int, int]]:
        """Unix seconds from (inclusive) and until (exclusive), by the name of the split."""
        test = now_s - self.test_days * DAY_S
        valid = test - self.valid_days * DAY_S
        train = valid - self.train_days * DAY_S
        return {"train": (train, valid), "valid": (valid, test), "test": (test, now_s)}

    def masks(self, world: AdWorld) -> dict[str, Bools]:
        """Which impressions [N] of `world.log` each split takes."""
        first_N, end_N = world.log.history_ranges(self.max_history)
        long_enough_N = end_N - first_N >= self.min_history
        time_N = world.log.timestamp_N
        masks = {
            name: long_enough_N & (start <= time_N) & (time_N < end)
            for name, (start, end) in self.windows_s(world.config.now_s).items()
        }
        masks["train"] &= world.log.clicked_N | self._kept(world)
        return masks

    def _kept(self, world: AdWorld) -> Bools:
        """A draw for every impression; the lower the share, the fewer of the same are kept."""
        rng = np.random.default_rng([world.config.seed, _KEEPING_SEED])
        return rng.random(len(world.log)) < self.negatives_kept


def write_samples(world: AdWorld, out_dir: Path, split: Split | None = None) -> dict[str, int]:
    """Write train.tsv, valid.tsv and test.tsv into `out_dir`; returns their numbers of rows.

    Tab separated with the header `SAMPLE_COLUMNS`, user after user in time order, so that rows with
    equal histories are neighbors. `label` is 1 if the impression was clicked, else 0; timestamps
    are unix seconds; the histories are comma-joined, oldest first, and empty for a new user.
    `true_ctr` is the probability that `label` was drawn with: to measure by, not to train on.
    """
    split = split or Split()
    out_dir.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name, mask_N in split.masks(world).items():
        lines = list(_lines(world, mask_N, split.max_history))
        text = "\n".join(["\t".join(SAMPLE_COLUMNS), *lines, ""])
        (out_dir / f"{name}.tsv").write_bytes(text.encode())
        rows[name] = len(lines)
    return rows


def _lines(world: AdWorld, mask_N: Bools, max_history: int) -> Iterator[str]:
    log, catalog = world.log, world.catalog
    category_of_item = [catalog.category_ids[category] for category in catalog.category_I]
    clicks = log.clicks()
    clicked_items = [catalog.item_ids[item] for item in log.item_N[clicks]]
    clicked_cates = [category_of_item[item] for item in log.item_N[clicks]]
    clicked_times = [str(timestamp) for timestamp in log.timestamp_N[clicks]]
    first_N, end_N = log.history_ranges(max_history)
    for row in np.flatnonzero(mask_N):
        item, past = log.item_N[row], slice(first_N[row], end_N[row])
        target = (
            str(int(log.clicked_N[row])),
            world.user_ids[log.user_N[row]],
            catalog.item_ids[item],
            category_of_item[item],
            str(log.timestamp_N[row]),
        )
        histories = (clicked_items[past], clicked_cates[past], clicked_times[past])
        yield "\t".join((*target, *map(",".join, histories), f"{log.true_ctr_N[row]:.6g}"))
