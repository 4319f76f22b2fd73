"""The first genre of each MovieLens movie is its category."""

from pathlib import Path

import polars as pl

from app.errors import StartupRefused
from app.training.public_data.item_categories import category_ids
from app.training.public_data.line_blocks import (
    LineBlock,
    OnBytes,
    first_line,
    read_blocks,
    split_fields,
)

CSV_HEADER = "movieId,title,genres"
# Titles have separators of their own, so the ends of a line are read and not the middle.
CSV_LINE = r"^([^,]+),.*,([^,]*)$"
DAT_LINE = r"^(.+?)::.*::(.*)$"
NONE_LISTED = ("(no genres listed)", "unknown")
U_ITEM_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
U_ITEM_COLUMNS = ("item", "title", "released", "video_released", "url", *U_ITEM_GENRES)


def read_genres(movies: Path, on_bytes: OnBytes) -> pl.DataFrame:
    """The columns item and category. Raises StartupRefused for what is no file of movies."""
    # Only movies.csv has been written in UTF-8 always; what is read of the others is ASCII.
    line = first_line(movies, encoding="latin-1")
    if line == CSV_HEADER:
        blocks = read_blocks(movies, on_bytes, header_lines=1)
        tables = [_from_ends(block, CSV_LINE) for block in blocks]
    elif line.count("::") >= 2:
        blocks = read_blocks(movies, on_bytes, encoding="latin-1")
        tables = [_from_ends(block, DAT_LINE) for block in blocks]
    elif line.count("|") == len(U_ITEM_COLUMNS) - 1:
        blocks = read_blocks(movies, on_bytes, encoding="latin-1")
        tables = [_from_flags(block) for block in blocks]
    else:
        raise StartupRefused(
            f"{movies} has no MovieLens movies: it is movies.csv (header {CSV_HEADER}), "
            "movies.dat (fields separated by ::) or u.item (by |)"
        )
    texts = pl.concat(tables)
    return texts.select(pl.col("item").cast(pl.Categorical), category_ids(texts["category"]))


def _from_ends(block: LineBlock, pattern: str) -> pl.DataFrame:
    ends = pl.DataFrame(
        {
            "item": block.lines.str.extract(pattern, 1),
            "category": block.lines.str.extract(pattern, 2).str.split("|").list.first(),
        }
    )
    block.places.refuse_where(ends["item"].is_null(), block.lines, "id, title, genres are needed")
    return ends.with_columns(pl.col("category").replace(NONE_LISTED, ""))


def _from_flags(block: LineBlock) -> pl.DataFrame:
    fields = split_fields(block, "|", U_ITEM_COLUMNS)
    flagged = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in U_ITEM_GENRES]
    return fields.select("item", category=pl.coalesce(*flagged).replace(NONE_LISTED, ""))
