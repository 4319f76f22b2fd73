"""Which of our fields a library's feature becomes: item, category, user, or one beside them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.errors import StartupRefused
from app.importers.source_model import SourceModel

ITEM, CATEGORY, USER = "item_id", "category_id", "user_id"
CATEGORY_NAMES = ("cate_id", "category_id")
USER_NAMES = ("user", "user_id", "uid")
# A request has places of its own for these.
RESERVED = frozenset({ITEM, CATEGORY, USER, "ad_id", "bid"})
PREFIX = "feature_"
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Our fields of each feature: several for a feature of several numbers."""

    fields: Mapping[str, tuple[str, ...]]

    def one(self, feature: str) -> str:
        """The field of a categorical feature."""
        return self.fields[feature][0]


def choose_names(source: SourceModel, *, item: str | None, category: str | None) -> FieldNames:
    """`item` and `category` name features; None leaves it to their usual names and their order.

    Raises StartupRefused where behaviors would need more than an item and a category, and where
    two features would have one name.
    """
    names = [feature.name for feature in source.categorical]
    chosen = _behavior_fields(names, source.network.targets, item, category)
    user = next((name for name in USER_NAMES if name in names and name not in chosen), None)
    if user is not None:
        chosen[user] = USER
    fields: dict[str, tuple[str, ...]] = {
        name: (chosen.get(name) or _beside(name),) for name in names
    }
    for number in source.numeric:
        fields[number.name] = _of_numbers(_beside(number.name), number.numbers)
    _check_distinct(fields)
    return FieldNames(fields)


def _behavior_fields(
    names: Sequence[str], targets: Sequence[str], item: str | None, category: str | None
) -> dict[str, str]:
    for option, name in (("--item", item), ("--category", category)):
        if name is not None and name not in names:
            raise StartupRefused(f"{option} {name} is none of the features {', '.join(names)}")
    if len(targets) > 2:
        raise StartupRefused(
            f"behaviors have {', '.join(targets)}: here they have an item and a category at most"
        )
    item = item or _likely_item(names, targets, category)
    category = category or _likely_category(names, targets, item)
    if item == category or not {item, category}.issuperset(targets):
        raise StartupRefused(
            f"behaviors have {', '.join(targets)}: --item and --category must name them"
        )
    return {item: ITEM} | ({category: CATEGORY} if category is not None else {})


def _likely_item(names: Sequence[str], targets: Sequence[str], category: str | None) -> str:
    """What behaviors have, or the item beside a history of categories alone."""
    free = [name for name in targets if name != category]
    if ITEM in names and len(targets) == 1 and set(free) <= set(CATEGORY_NAMES):
        return ITEM
    if not free:
        raise StartupRefused("behaviors have a category alone: --item must name the item")
    return min(free, key=lambda name: (name != ITEM, name in CATEGORY_NAMES))


def _likely_category(names: Sequence[str], targets: Sequence[str], item: str) -> str | None:
    """What else behaviors have, or the category that only candidates are told apart by."""
    free = [name for name in targets if name != item]
    usual = [name for name in CATEGORY_NAMES if name in names and name != item]
    return next(iter(free or usual), None)


def _beside(name: str) -> str:
    """A field name as close to the feature's as they can be."""
    field = re.sub(r"[^a-z0-9_]", "_", name.lower())
    if field in RESERVED or not field[:1].isalpha():
        field = PREFIX + field
    return field


def _of_numbers(field: str, numbers: int) -> tuple[str, ...]:
    """A list in a request is spread over fields in the same way."""
    return (field,) if numbers == 1 else tuple(f"{field}_{index}" for index in range(numbers))


def _check_distinct(fields: Mapping[str, tuple[str, ...]]) -> None:
    owner: dict[str, str] = {}
    for feature, names in fields.items():
        for name in names:
            if len(name) > LONGEST_NAME:
                raise StartupRefused(f"the feature {feature} has a name that is too long")
            if owner.setdefault(name, feature) != feature:
                raise StartupRefused(
                    f"the features {owner[name]} and {feature} would both be called {name}"
                )
