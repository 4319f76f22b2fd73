"""What is set once for the whole process can be set again."""

import sys

import pytest
import torch

from app.inference.torch_process import keep_freed_memory, prepare_torch


@pytest.mark.skipif(sys.platform == "linux", reason="Linux may have glibc")
def test_where_there_is_no_glibc_freed_memory_is_not_kept():
    assert keep_freed_memory() is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux may have glibc")
def test_keeping_freed_memory_can_be_asked_for_twice():
    first = keep_freed_memory()

    assert isinstance(first, bool)
    assert keep_freed_memory() is first


def test_torch_computes_with_as_many_threads_as_asked():
    threads = torch.get_num_threads()
    try:
        prepare_torch(threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_a_gpu_rounds_as_the_cpu_does():
    torch.backends.cudnn.allow_tf32 = True  # as torch starts

    prepare_torch(threads=1)

    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
