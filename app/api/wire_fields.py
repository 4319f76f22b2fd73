"""Features that a client names itself: text, numbers, and lists of numbers spread over fields."""

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import zip_longest
from typing import Annotated, Any

from pydantic import Field, GetPydanticSchema
from pydantic_core import core_schema

from app.core.request import FieldValue

MAX_FIELDS = 64
MAX_TEXT_CHARS = 256
MAX_LIST_LENGTH = 64
MAX_SPREAD_FIELDS = 512  # a candidate's numbers in lists: each becomes a column of all candidates
MAX_NUMBER = sys.float_info.max
NUMBERS = {int, float}
FIELD_RULE = (
    f"Should be text up to {MAX_TEXT_CHARS} characters, a finite number, null "
    f"or a list of 1 to {MAX_LIST_LENGTH} finite numbers"
)

# One union with one message, where pydantic would report each of its members.
_number_schema = core_schema.float_schema(allow_inf_nan=False, strict=True)
_field_schema = core_schema.union_schema(
    [
        core_schema.str_schema(max_length=MAX_TEXT_CHARS, strict=True),
        _number_schema,
        core_schema.none_schema(),
        core_schema.list_schema(
            _number_schema, min_length=1, max_length=MAX_LIST_LENGTH, strict=True
        ),
    ],
    custom_error_type="field",
    custom_error_message=FIELD_RULE,
)
WireValue = str | float | list[float] | None
CheckedValue = Annotated[WireValue, GetPydanticSchema(lambda _, __: _field_schema)]
# The same, but checked once there are not too many: a body has room for 200,000 wrong ones.
UncheckedValue = Annotated[
    Any, GetPydanticSchema(get_pydantic_json_schema=lambda _, schema: schema(_field_schema))
]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Fields = Annotated[dict[Name, CheckedValue], Field(max_length=MAX_FIELDS)]

WireFields = Mapping[str, WireValue]


def is_field_value(value: Any) -> bool:  # noqa: ANN401 - whatever was in the body
    """Whether an unchecked value keeps to `FIELD_RULE`."""
    if isinstance(value, str):
        return len(value) <= MAX_TEXT_CHARS
    if isinstance(value, list):
        return 1 <= len(value) <= MAX_LIST_LENGTH and _are_finite_numbers(value)
    return value is None or (type(value) in NUMBERS and -MAX_NUMBER <= value <= MAX_NUMBER)


def spread(fields: WireFields) -> Mapping[str, FieldValue]:
    """`score: [1.2, 0.5]` as the fields `score_0` and `score_1`, `score: [1.2]` as `score`."""
    if not fields:  # as most are
        return {}
    return {name: column[0] for name, column in spread_columns([fields]).items()}


def spread_columns(rows: Sequence[WireFields]) -> dict[str, Sequence[FieldValue]]:
    """One column per field over all rows, with None where a row does not have it."""
    # Every value is met once: a column costs nothing for the rows that lack it.
    scalars: dict[str, list[FieldValue]] = defaultdict(lambda: [None] * len(rows))
    lists: dict[str, list[Sequence[float]]] = defaultdict(lambda: [()] * len(rows))
    for index, row in enumerate(rows):
        for name, value in row.items():
            if not isinstance(value, list):
                scalars[name][index] = value
            elif len(value) == 1:
                scalars[name][index] = value[0]
            else:
                lists[name][index] = value
    columns: dict[str, Sequence[FieldValue]] = dict(scalars)
    for name, lists_of_rows in lists.items():
        for number, column in enumerate(zip_longest(*lists_of_rows)):
            columns[_field_of(name, number)] = column
    return columns


def names_of(rows: Sequence[WireFields]) -> set[str]:
    """The names that occur in any row."""
    return set().union(*rows)


def spread_names_of(rows: Sequence[WireFields]) -> set[str]:
    """The names of the fields that lists are spread over."""
    lengths: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, list) and len(value) > 1:
                lengths[name] = max(lengths.get(name, 0), min(len(value), MAX_LIST_LENGTH))
    return {_field_of(name, number) for name, length in lengths.items() for number in range(length)}


def names_given_twice(
    rows: Sequence[WireFields], spread_names: Set[str]
) -> Iterator[tuple[int, str]]:
    """Each row and name in it that the number of a list, in any row, has too."""
    if not spread_names:
        return
    for index, row in enumerate(rows):
        for name in sorted(spread_names & row.keys()):
            yield index, name


def _field_of(name: str, number: int) -> str:
    return f"{name}_{number}"


def _are_finite_numbers(values: Sequence[Any]) -> bool:
    """Without a step in Python for each: a body has room for a million."""
    if not NUMBERS.issuperset(map(type, values)):  # a bool is of another type
        return False
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer too long to be a float
        return False
