"""Events get the categories of their items from a second file."""

from pathlib import Path

import polars as pl

from app.errors import StartupRefused


def category_ids(texts: pl.Series) -> pl.Series:
    """Categorical; "" is unknown. Commas join histories, so those in names become semicolons."""
    tidy = texts.fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()
    return tidy.str.replace_all(",", ";", literal=True).cast(pl.Categorical)


def with_categories(events: pl.DataFrame, of_items: pl.DataFrame, metadata: Path) -> pl.DataFrame:
    """`of_items` has the columns item and category; the first row of an item counts.

    Raises StartupRefused if it knows none of the items: the two files do not belong together.
    """
    first = of_items.unique("item", keep="first", maintain_order=True)
    joined = events.join(first, on="item", how="left", maintain_order="left")
    if joined["category"].null_count() == len(joined):
        raise StartupRefused(
            f"{metadata} has none of the {joined['item'].n_unique():,} items with events: "
            "take the two files from the same release"
        )
    return joined.with_columns(pl.col("category").fill_null(""))


def count_without_category(events: pl.DataFrame) -> int:
    return int((events["category"] == "").sum())
