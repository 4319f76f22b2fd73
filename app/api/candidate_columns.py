"""The candidates of a parsed body, checked a column at a time: the fast way to accept them.

It accepts only what `WireCandidate` accepts, as equal values. What it does not accept need not be
wrong: `WireCandidate` decides, and says what is.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from app.api.wire import MAX_BID
from app.api.wire_fields import (
    MAX_FIELDS,
    MAX_SPREAD_FIELDS,
    MAX_TEXT_CHARS,
    NUMBERS,
    WireValue,
    is_field_value,
    spread_columns,
    spread_names_of,
)
from app.core.request import Candidates, FieldValue

EXACT_BELOW = 2.0**63  # orjson makes a float of a longer integer, pydantic does not

OWN_FIELDS = ("ad_id", "item_id", "category_id", "bid")

Column = list[Any]


def columns_of(candidates: Sequence[Any]) -> Candidates | None:
    """None where a candidate, or two of them together, cannot be accepted or may not be."""
    if set(map(type, candidates)) != {dict}:
        return None
    columns = _columns(candidates)
    if columns is None:
        return None
    nothing: Column = [None] * len(candidates)
    ad_ids, item_ids, category_ids, bids = (columns.pop(name, nothing) for name in OWN_FIELDS)
    if not (
        _are_ids(ad_ids)
        and len(set(ad_ids)) == len(ad_ids)
        and _are_ids(_given(item_ids))
        and _are_ids(_given(category_ids))
        and _are_bids(_given(bids))
    ):
        return None
    further = _further_columns(candidates, columns)
    if further is None:
        return None
    fields = {"item_id": item_ids, "category_id": category_ids, **further}
    return Candidates(ad_ids=ad_ids, bids=bids, fields=fields)


def _columns(candidates: Sequence[Mapping[str, Any]]) -> dict[str, Column] | None:
    """By name, with None where a candidate does not have it; None where there are too many."""
    first, *_ = candidates
    if len(first) > 1 and set(map(len, candidates)) == {len(first)}:
        with suppress(KeyError):  # as many fields, but others
            rows = map(itemgetter(*first), candidates)
            return dict(zip(first, map(list, zip(*rows, strict=True)), strict=True))
    names = set().union(*candidates)
    if len(names) > MAX_FIELDS + len(OWN_FIELDS):
        return None
    return {name: [candidate.get(name) for candidate in candidates] for name in names}


def _given(column: Column) -> Column:
    return [value for value in column if value is not None] if None in column else column


def _are_ids(column: Column) -> bool:
    if not column:
        return True
    if set(map(type, column)) != {str}:
        return False
    lengths = set(map(len, column))
    return min(lengths) > 0 and max(lengths) <= MAX_TEXT_CHARS


def _are_bids(column: Column) -> bool:
    if not NUMBERS.issuperset(map(type, column)):
        return False
    return not column or (min(column) >= 0 and max(column) <= MAX_BID)


def _further_columns(
    candidates: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]
) -> Mapping[str, Sequence[FieldValue]] | None:
    """Of the fields that are a model's own matter; numbers in lists become columns of their own."""
    names = columns.keys()
    if len(names) > MAX_FIELDS:
        return None
    if not all(map(_are_field_values, columns.values())):
        return None
    listed = {name for name, column in columns.items() if list in set(map(type, column))}
    if not listed:
        return columns
    rows = [{name: one[name] for name in listed & one.keys()} for one in candidates]
    spread_names = spread_names_of(rows)
    if len(spread_names) > MAX_SPREAD_FIELDS or spread_names & names:
        return None
    return {name: columns[name] for name in names - listed} | spread_columns(rows)


def _are_field_values(column: Column) -> bool:
    return all(map(is_field_value, column)) and all(map(_is_exact, column))


def _is_exact(value: WireValue) -> bool:
    if isinstance(value, list):
        return all(map(_is_exact, value))
    return not isinstance(value, float) or -EXACT_BELOW < value < EXACT_BELOW
