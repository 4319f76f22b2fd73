"""What a client may say of a feature of its own, and how lists become fields."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.api.wire_fields import (
    CheckedValue,
    is_field_value,
    names_given_twice,
    spread,
    spread_columns,
    spread_names_of,
)

names = st.sampled_from(["a", "b", "a_0", "b_1", "a_0_0"])
numbers = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.text(max_size=3) | numbers | st.lists(numbers, min_size=1, max_size=3)
rows = st.lists(st.dictionaries(names, values, max_size=4), min_size=1, max_size=4)
anything = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.floats() | st.just(10**400),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=2),
)

checked = TypeAdapter(CheckedValue)


def naive_fields(row: dict[str, object]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, list) and len(value) == 1:
            fields[name] = value[0]
        elif isinstance(value, list):
            for number, element in enumerate(value):
                fields[name + "_" + str(number)] = element
        else:
            fields[name] = value
    return fields


@given(rows)
def test_columns_are_those_of_each_row_spread_alone(rows):
    assume(not list(names_given_twice(rows, spread_names_of(rows))))

    columns = spread_columns(rows)

    alone = [naive_fields(row) for row in rows]
    expected = {name for fields in alone for name in fields if fields[name] is not None}
    assert expected <= columns.keys()
    for name, column in columns.items():
        assert list(column) == [fields.get(name) for fields in alone]


@given(rows)
def test_a_name_is_given_twice_if_a_list_anywhere_spreads_to_it(rows):
    spread_names = {
        name
        for row in rows
        for name in naive_fields({k: v for k, v in row.items() if type(v) is list and len(v) > 1})
    }

    expected = [
        (index, name)
        for index, row in enumerate(rows)
        for name in sorted(row.keys() & spread_names)
    ]
    assert list(names_given_twice(rows, spread_names_of(rows))) == expected


def test_a_list_is_spread_over_numbered_fields():
    assert spread({"score": [1.2, 0.5], "device": "phone", "age": None}) == {
        "score_0": 1.2,
        "score_1": 0.5,
        "device": "phone",
        "age": None,
    }


def test_a_list_of_one_number_is_that_number():
    assert spread({"price": [0.5]}) == {"price": 0.5}


@pytest.mark.parametrize("value", [None, "x" * 256, 0, -1.5, [0], [1.5] * 64, [2**60, -0.0]])
def test_text_numbers_and_lists_of_numbers_are_values(value):
    assert is_field_value(value)


@pytest.mark.parametrize(
    "value",
    [True, "x" * 257, math.nan, math.inf, 10**400, [], [1] * 65, [True], ["1"], [[1]], [math.nan]],
    ids=str,
)
def test_what_is_too_long_nested_or_not_finite_is_no_value(value):
    assert not is_field_value(value)


@given(anything)
def test_candidates_and_profiles_accept_the_same_values(value):
    try:
        checked.validate_python(value)
    except ValidationError:
        assert not is_field_value(value)
    else:
        assert is_field_value(value)
