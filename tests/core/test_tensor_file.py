"""Arrays are where their file has them, whole or in parts, and nothing writes through to it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import SafetensorError
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from app.core.tensor_file import TensorFile

TYPES = st.sampled_from([np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64, np.bool_])
SHAPES = arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=9)


@given(contents=st.dictionaries(st.text("abc", min_size=1), arrays.arrays(TYPES, SHAPES)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_array_is_had_whole_and_in_parts(contents, tmp_path):
    path = tmp_path / "some.safetensors"
    path.unlink(missing_ok=True)
    save_file(contents, path)

    file = TensorFile(path)

    assert file.entries.keys() == contents.keys()
    for name, expected in contents.items():
        assert file.mapped(name).dtype == expected.dtype
        np.testing.assert_array_equal(file.mapped(name), expected)
        parts = list(file.parts(name, 4))
        assert all(0 < part.size <= 4 for part in parts)
        np.testing.assert_array_equal(np.concatenate([[], *parts]), expected.reshape(-1))


def test_bfloat16_is_had_as_its_bits(tmp_path):
    save_tensors({"x": torch.tensor([1.0, -2.0]).bfloat16()}, tmp_path / "some.safetensors")

    bits = TensorFile(tmp_path / "some.safetensors").mapped("x")

    assert bits.tolist() == [0x3F80, 0xC000]


def test_what_is_written_to_an_array_stays_in_memory(tmp_path):
    path: Path = tmp_path / "some.safetensors"
    save_file({"x": np.arange(3)}, path)
    file = TensorFile(path)

    file.mapped("x")[0] = 9

    assert file.mapped("x").tolist() == [0, 1, 2]


def test_a_look_at_an_array_reads_no_more_than_a_page(tmp_path):
    path: Path = tmp_path / "some.safetensors"
    save_file({"x": np.arange(3)}, path)

    mapped = TensorFile(path).mapped("x")

    _, mappings = Path("/proc/self/smaps").read_text().split(str(path), 1)
    flags = next(line for line in mappings.splitlines() if line.startswith("VmFlags:"))
    assert "rr" in flags.split()  # "random read advise provided"
    assert mapped.tolist() == [0, 1, 2]


def test_a_file_that_is_cut_is_refused(tmp_path):
    path: Path = tmp_path / "some.safetensors"
    save_file({"x": np.arange(3)}, path)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(SafetensorError):
        TensorFile(path)
