"""The category of each item in Amazon metadata, whichever release wrote it."""

from pathlib import Path

import polars as pl

from app.errors import StartupRefused
from app.training.public_data.item_categories import category_ids
from app.training.public_data.line_blocks import LineBlock, OnBytes, read_blocks
from app.training.public_data.parquet import parquet_schema, read_parquet
from app.training.public_data.places import Places
from app.training.public_data.records import Record, records
from app.training.tables import PARQUET_SUFFIXES


def read_categories(path: Path, items: pl.Series, on_bytes: OnBytes) -> pl.DataFrame:
    """The columns item and category, of these items only."""
    wanted = pl.DataFrame({"item": items.unique().cast(pl.String)})
    if path.suffix in PARQUET_SUFFIXES:
        tables = [_from_parquet(path, on_bytes).join(wanted, on="item", how="semi")]
    else:
        blocks = read_blocks(path, on_bytes)
        tables = [_from_lines(block).join(wanted, on="item", how="semi") for block in blocks]
    texts = pl.concat([pl.Schema({"item": pl.String, "category": pl.String}).to_frame(), *tables])
    return texts.select(pl.col("item").cast(pl.Categorical), category_ids(texts["category"]))


def leaf_category(record: Record) -> str:
    """The end of the first category path, as the official DIEN code takes it, or "".

    2014 has a list of paths in `categories`, 2018 one path in `category` and 2023 one in
    `categories`, often empty, beside a `main_category`.
    """
    path = record.get("categories", record.get("category"))
    if isinstance(path, list) and path and isinstance(path[0], list):
        path = path[0]
    if isinstance(path, list) and path:
        return str(path[-1])
    return str(record.get("main_category") or "")


def _from_lines(block: LineBlock) -> pl.DataFrame:
    parsed = records(block)
    columns = {
        "item": [record.get("parent_asin", record.get("asin")) for record in parsed],
        "category": [leaf_category(record) for record in parsed],
    }
    table = pl.DataFrame(columns, {"item": pl.String, "category": pl.String}, strict=False)
    return _with_items(block.places, table)


def _from_parquet(path: Path, on_bytes: OnBytes) -> pl.DataFrame:
    schema = parquet_schema(path)
    if not isinstance(schema.get("categories"), pl.List) or "parent_asin" not in schema:
        raise StartupRefused(
            f"{path} is no Amazon metadata of 2023: parent_asin, main_category and a list of "
            "categories are needed"
        )
    leaf = pl.coalesce(pl.col("categories").list.last(), "main_category").alias("category")
    places, table = read_parquet(path, (pl.col("parent_asin").alias("item"), leaf), on_bytes)
    return _with_items(places, table)


def _with_items(places: Places, table: pl.DataFrame) -> pl.DataFrame:
    asin = table["item"].rename("asin")
    places.refuse_where(asin.is_null(), asin, "metadata has one for every item")
    return table
