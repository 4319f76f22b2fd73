"""Tables in fewer bits are off by no more than their format allows, row by row."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from app.models.layers.stored_table import STORED_TABLES, with_stored_tables
from tests.models.builders import FULL_SCHEMA, make_model
from tests.models.configs import CONFIGS
from tests.models.stored_models import stored_model

SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)

numbers = st.floats(-(2.0**99), 2.0**99, width=32)
tables = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=numbers
)


def read_back(table_format, table):
    """All rows of a table that was stored like this."""
    stored = STORED_TABLES[table_format](*table.shape)
    stored.load_state_dict(stored.encode(torch.from_numpy(table)))
    return stored(torch.arange(len(table))).numpy()


@given(table=tables)
def test_an_int8_value_is_off_by_no_more_than_half_of_its_rows_scale(table):
    largest_V1 = np.abs(table).max(axis=1, keepdims=True).astype(np.float64)

    error = np.abs(read_back("int8", table).astype(np.float64) - table)

    # A float's own rounding, and rows too small for a scale of their own, come on top.
    assert (error <= largest_V1 * (0.5 / 127 + 1e-6) + 127 * SMALLEST_NORMAL).all()


@given(table=tables)
def test_a_bfloat16_value_is_off_by_no_more_than_one_part_in_256(table):
    error = np.abs(read_back("bf16", table).astype(np.float64) - table)

    assert (error <= np.abs(table.astype(np.float64)) / 256 + SMALLEST_NORMAL).all()


@pytest.mark.parametrize("table_format", STORED_TABLES)
def test_zero_stays_zero(table_format):
    table = np.array([[0.0, 0.0], [0.0, 5.0]], np.float32)

    assert read_back(table_format, table)[[0, 0, 1], [0, 1, 0]].tolist() == [0.0, 0.0, 0.0]


@given(table=tables)
def test_the_largest_value_of_an_int8_row_loses_nothing_but_rounding(table):
    largest_V = np.abs(table).max(axis=1)

    read_V = np.abs(read_back("int8", table)).max(axis=1)

    np.testing.assert_allclose(read_V, largest_V, rtol=1e-6, atol=127 * SMALLEST_NORMAL)


@pytest.mark.parametrize("table_format", STORED_TABLES)
def test_a_model_has_no_other_tables_left(table_format):
    model = make_model(CONFIGS["default"])

    with_stored_tables(model, table_format)

    assert not [module for module in model.modules() if isinstance(module, nn.Embedding)]
    kept = [module for module in model.modules() if isinstance(module, STORED_TABLES[table_format])]
    assert len(kept) == len(FULL_SCHEMA.sparse_fields)


@pytest.mark.parametrize("table_format", STORED_TABLES)
def test_rows_of_any_shape_are_looked_up(table_format):
    table = stored_model(CONFIGS["default"], table_format).embedding.tables["item_id"]

    rows = torch.tensor([[3, 1, 2], [0, 5, 4]])

    assert table(rows).shape == (2, 3, table.width)
    assert table(rows)[1, 2].equal(table(torch.tensor(4)))
