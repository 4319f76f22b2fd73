"""The click log of a world up to its present: what a behavior store would hold."""

from dataclasses import dataclass, fields
from pathlib import Path

from app.simulation.world import AdWorld


@dataclass(frozen=True, slots=True)
class Interactions:
    """Clicks as columns of equal length, user after user, in strict time order within a user."""

    user_id: tuple[str, ...]
    item_id: tuple[str, ...]
    cate_id: tuple[str, ...]
    timestamp: tuple[int, ...]  # unix seconds

    def __len__(self) -> int:
        return len(self.user_id)


def click_log(world: AdWorld) -> Interactions:
    """Every click of every user, from the start of the world to its present."""
    log, catalog = world.log, world.catalog
    clicks = log.clicks()
    items = log.item_N[clicks]
    return Interactions(
        user_id=tuple(world.user_ids[user] for user in log.user_N[clicks]),
        item_id=tuple(catalog.item_ids[item] for item in items),
        cate_id=tuple(catalog.category_ids[row] for row in catalog.category_I[items]),
        timestamp=tuple(log.timestamp_N[clicks].tolist()),
    )


def write_interactions(world: AdWorld, path: Path) -> int:
    """Write `click_log` as tab-separated text with a header; returns the number of clicks."""
    clicks = click_log(world)
    columns = [field.name for field in fields(Interactions)]
    rows = zip(*(map(str, getattr(clicks, column)) for column in columns), strict=True)
    text = "\n".join(["\t".join(columns), *map("\t".join, rows), ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return len(clicks)
