"""Amazon reviews with the categories of their items: every review counts as a click."""

from pathlib import Path

from app.training.interactions import in_time_order
from app.training.public_data.amazon_categories import read_categories
from app.training.public_data.amazon_reviews import read_reviews
from app.training.public_data.events import PublicLog
from app.training.public_data.item_categories import count_without_category, with_categories
from app.training.public_data.line_blocks import OnBytes


def read_amazon(reviews: Path, metadata: Path, on_bytes: OnBytes) -> PublicLog:
    """Raises StartupRefused with one line that names the file and the line or row."""
    generation, events = read_reviews(reviews, on_bytes)
    events = with_categories(events, read_categories(metadata, events["item"], on_bytes), metadata)
    return PublicLog(
        source=f"Amazon reviews of {generation.year}",
        log=in_time_order(events),
        counts={"reviews": len(events), "without_category": count_without_category(events)},
    )
