"""What is written a part at a time is what safetensors reads as a whole."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file

from app.core.tensor_file import TYPES
from app.core.tensor_writer import write_tensors

NAMES = {np.dtype(number_type): name for name, number_type in TYPES.items() if name != "BF16"}
KINDS = st.sampled_from([np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64])
SHAPES = arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=9)


@given(
    contents=st.dictionaries(st.text("abc", min_size=1), arrays.arrays(KINDS, SHAPES)),
    at_a_time=st.integers(1, 5),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_come_back_whatever_parts_they_came_in(contents, at_a_time, tmp_path):
    path = tmp_path / "some.safetensors"
    layout = {name: (NAMES[array.dtype], array.shape) for name, array in contents.items()}

    def parts_of(name):
        flat = contents[name].reshape(-1)
        return (flat[start : start + at_a_time] for start in range(0, flat.size, at_a_time))

    write_tensors(path, layout, parts_of)

    read = load_file(path)
    assert read.keys() == contents.keys()
    for name, expected in contents.items():
        assert read[name].dtype == expected.dtype
        np.testing.assert_array_equal(read[name], expected)
    path.unlink()


@pytest.mark.parametrize("numbers", [2, 4])
def test_more_or_fewer_numbers_than_were_announced_are_noticed(numbers, tmp_path):
    with pytest.raises(ValueError, match=f"x has {4 * numbers} bytes, not 12"):
        write_tensors(
            tmp_path / "some.safetensors",
            {"x": ("F32", (3,))},
            lambda _: [np.zeros(numbers, np.float32)],
        )
