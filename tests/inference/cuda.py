"""The mark of tests that need a GPU; elsewhere they are skipped and say so."""

import pytest
import torch

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="this machine has no CUDA device"
)
