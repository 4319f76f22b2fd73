"""The log behind the official DIEN files: `reviews-info`, with categories from `item-info`."""

from pathlib import Path

import polars as pl

from app.training.interactions import in_time_order
from app.training.public_data.events import PublicLog, ids, one_table, seconds
from app.training.public_data.item_categories import (
    category_ids,
    count_without_category,
    with_categories,
)
from app.training.public_data.line_blocks import LineBlock, OnBytes, read_blocks, split_fields

REVIEW_COLUMNS = ("user", "item", "rating", "timestamp")


def read_dien_log(reviews: Path, items: Path, on_bytes: OnBytes) -> PublicLog:
    """Every review counts as a click. Raises StartupRefused with one line that names the line."""
    events = one_table(reviews, [_reviews(block) for block in read_blocks(reviews, on_bytes)])
    categories = pl.concat([_items(block) for block in read_blocks(items, on_bytes)])
    events = with_categories(events, categories, items)
    return PublicLog(
        source="DIEN reviews-info",
        log=in_time_order(events),
        counts={"reviews": len(events), "without_category": count_without_category(events)},
    )


def _reviews(block: LineBlock) -> pl.DataFrame:
    fields = split_fields(block, "\t", REVIEW_COLUMNS)
    return pl.DataFrame(
        {
            "user": ids(block.places, fields["user"]),
            "item": ids(block.places, fields["item"]),
            "time": seconds(block.places, fields["timestamp"]),
        }
    )


def _items(block: LineBlock) -> pl.DataFrame:
    fields = split_fields(block, "\t", ("item", "category"))
    return fields.select(pl.col("item").cast(pl.Categorical), category_ids(fields["category"]))
