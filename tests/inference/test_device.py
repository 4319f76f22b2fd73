"""Arrays reach a device in one buffer and come back as they were."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.errors import StartupRefused
from app.inference.device import (
    ALIGNMENT_BYTES,
    resolve_device,
    stage,
    to_device,
    to_host,
    unstage,
)
from tests.inference.cuda import needs_cuda

dtypes = st.sampled_from(
    ["bool", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"],
).map(np.dtype)
shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
arrays = hnp.arrays(dtypes, shapes)
many_arrays = st.lists(arrays | arrays.map(np.transpose), max_size=6)


def content(values: torch.Tensor | np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    """Type, shape and bytes, so that NaN equals NaN."""
    array = values.numpy() if isinstance(values, torch.Tensor) else values
    return array.dtype.name, array.shape, array.tobytes()


@given(many_arrays)
def test_what_is_staged_is_unstaged(staged):
    buffer, offsets = stage(staged, pinned=False)

    tensors = unstage(buffer, staged, offsets)

    assert [content(tensor) for tensor in tensors] == [content(array) for array in staged]


@given(many_arrays)
def test_arrays_lie_in_one_buffer_aligned_and_apart(staged):
    buffer, offsets = stage(staged, pinned=False)

    ends = [offset + array.nbytes for offset, array in zip(offsets, staged, strict=True)]
    assert all(offset % ALIGNMENT_BYTES == 0 for offset in offsets)
    starts_of_the_next = [*offsets, len(buffer)][1:]
    assert all(end <= start for end, start in zip(ends, starts_of_the_next, strict=True))


@given(many_arrays.map(lambda some: [np.ascontiguousarray(array) for array in some]))
def test_on_the_cpu_arrays_are_tensors_already(given_arrays):
    tensors = to_device(given_arrays, torch.device("cpu"))

    assert [content(tensor) for tensor in tensors] == [content(array) for array in given_arrays]
    assert [tensor.data_ptr() for tensor in tensors if tensor.numel()] == [
        array.ctypes.data for array in given_arrays if array.size
    ]


def test_results_on_the_cpu_are_on_the_host_already():
    logits_C, attention_CT = torch.ones(2), torch.ones(2, 3)

    host_logits_C, host_attention_CT = to_host(logits_C, attention_CT)

    assert host_logits_C is logits_C
    assert host_attention_CT is attention_CT


def test_a_device_is_taken_by_its_name():
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_is_the_first_gpu_if_there_is_one():
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"

    assert resolve_device("auto") == torch.device(expected)


def test_a_gpu_that_is_not_there_refuses_to_start():
    name = f"cuda:{torch.cuda.device_count()}"

    with pytest.raises(StartupRefused, match=f"CTR_DEVICE={name}") as refused:
        resolve_device(name)

    assert "\n" not in str(refused.value)


@needs_cuda
def test_arrays_reach_a_gpu_in_one_copy():
    sent = [np.arange(5), np.empty((0, 2), np.float32), np.ones((2, 3), np.float32)]

    tensors = to_device(sent, torch.device("cuda:0"))

    assert [content(tensor.cpu()) for tensor in tensors] == [content(array) for array in sent]
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1


@needs_cuda
def test_results_leave_a_gpu_in_one_copy_to_pinned_memory():
    logits_C, attention_CT = torch.randn(4), torch.randn(4, 3)

    host = to_host(logits_C.cuda(), attention_CT.cuda())

    assert [part.tolist() for part in host] == [logits_C.tolist(), attention_CT.tolist()]
    assert all(part.is_pinned() for part in host)
    assert len({part.untyped_storage().data_ptr() for part in host}) == 1
