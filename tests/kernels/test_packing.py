"""Packed weights are the same weights in another order, and zero where there are none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.kernels.packing import ALIGN_FLOATS, PANEL, columns, padded, panels

weights = arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 20)),
    elements=st.floats(-10, 10, width=32),
)


@given(weights)
def test_panels_hold_groups_of_outputs(weight_OI):
    packed = panels(weight_OI)

    unpacked_OI = packed.transpose(0, 2, 1).reshape(-1, weight_OI.shape[1])
    assert packed.shape[2] == PANEL
    assert (unpacked_OI[: len(weight_OI)] == weight_OI).all()
    assert not unpacked_OI[len(weight_OI) :].any()


@given(weights)
def test_columns_hold_a_row_for_every_input(weight_OI):
    packed = columns(weight_OI)

    assert packed.shape[1] % ALIGN_FLOATS == 0
    assert (packed[:, : len(weight_OI)] == weight_OI.T).all()
    assert not packed[:, len(weight_OI) :].any()


@given(weights)
def test_padded_values_are_followed_by_zeros(weight_OI):
    packed = padded(weight_OI[:, 0])

    assert len(packed) % ALIGN_FLOATS == 0
    assert (packed[: len(weight_OI)] == weight_OI[:, 0]).all()
    assert not packed[len(weight_OI) :].any()
