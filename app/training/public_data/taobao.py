"""Taobao's UserBehavior.csv: nine days of page views, purchases, carts and favorites."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from app.errors import StartupRefused
from app.training.interactions import in_time_order
from app.training.public_data.events import PublicLog, ids, one_table, whole_numbers
from app.training.public_data.item_categories import category_ids
from app.training.public_data.line_blocks import LineBlock, OnBytes, read_blocks, split_fields

COLUMNS = ("user", "item", "category", "behavior", "timestamp")
BEHAVIORS = ("pv", "buy", "cart", "fav")
# The data set is of November 25 to December 3, 2017 in China; the file has some other times, from
# before 1970 to the far future, which are mistakes.
FIRST_SECOND = 1_511_539_200
END_SECOND = 1_512_316_800


def read_taobao(path: Path, behaviors: Sequence[str], on_bytes: OnBytes) -> PublicLog:
    """Raises StartupRefused with one line that names the file and the line."""
    unknown = set(behaviors) - set(BEHAVIORS)
    if unknown:
        raise StartupRefused(f"--behavior {min(unknown)} is none of {' '.join(BEHAVIORS)}")
    counts: Counter[str] = Counter(events=0, other_behaviors=0, out_of_range_times=0)
    blocks = read_blocks(path, on_bytes)
    tables = [_kept(_events(block), behaviors, counts) for block in blocks]
    if counts.total() and not counts["events"]:
        raise StartupRefused(
            f"{path} has no {', '.join(behaviors)} from November 25 to December 3, 2017: "
            + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
        )
    return PublicLog("Taobao UserBehavior", in_time_order(one_table(path, tables)), counts)


def _events(block: LineBlock) -> pl.DataFrame:
    fields = split_fields(block, ",", COLUMNS)
    unknown = ~fields["behavior"].is_in(BEHAVIORS)
    block.places.refuse_where(unknown, fields["behavior"], f"it is one of {' '.join(BEHAVIORS)}")
    advice = "unix seconds are needed, such as 1511544070"
    return pl.DataFrame(
        {
            "user": ids(block.places, fields["user"]),
            "item": ids(block.places, fields["item"]),
            "category": category_ids(fields["category"]),
            "time": whole_numbers(block.places, fields["timestamp"], advice),
            "behavior": fields["behavior"],
        }
    )


def _kept(events: pl.DataFrame, behaviors: Sequence[str], counts: Counter[str]) -> pl.DataFrame:
    of_kind = events.filter(pl.col("behavior").is_in(behaviors)).drop("behavior")
    kept = of_kind.filter(pl.col("time").is_between(FIRST_SECOND, END_SECOND, closed="left"))
    counts["other_behaviors"] += len(events) - len(of_kind)
    counts["out_of_range_times"] += len(of_kind) - len(kept)
    counts["events"] += len(kept)
    return kept
