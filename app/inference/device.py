"""Where a model computes, and how a batch gets there and back in one copy each way."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.errors import StartupRefused

ALIGNMENT_BYTES = 16


def resolve_device(name: str, *, option: str = "CTR_DEVICE") -> torch.device:
    """`auto` is the first GPU if there is one. Raises StartupRefused for one that is not there.

    `option` is what the refusal names.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise StartupRefused(
            f"{option}={name}, but this machine has {torch.cuda.device_count()} CUDA devices: "
            "`cpu`, or `auto` for a GPU if there is one"
        )
    return device


def to_device(arrays: Sequence[NDArray[np.generic]], device: torch.device) -> list[Tensor]:
    """The arrays as tensors there; to a GPU through one pinned buffer and one copy."""
    if device.type == "cpu":
        return [torch.from_numpy(array) for array in arrays]
    staged, offsets = stage(arrays, pinned=True)
    buffer = staged.to(device, non_blocking=True)
    return unstage(buffer, arrays, offsets)


def stage(arrays: Sequence[NDArray[np.generic]], *, pinned: bool) -> tuple[Tensor, list[int]]:
    """All arrays in one byte buffer, each at an aligned offset."""
    sizes = [-(-array.nbytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for array in arrays]
    offsets = [sum(sizes[:index]) for index in range(len(sizes))]
    buffer = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=pinned)
    flat = buffer.numpy()
    for array, offset in zip(arrays, offsets, strict=True):
        flat[offset : offset + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view("u1")
    return buffer, offsets


def unstage(
    buffer: Tensor, arrays: Sequence[NDArray[np.generic]], offsets: Sequence[int]
) -> list[Tensor]:
    """Views into the buffer with the arrays' types and shapes."""
    return [
        buffer[offset : offset + array.nbytes]
        .view(torch.from_numpy(np.empty(0, array.dtype)).dtype)
        .view(array.shape)
        for array, offset in zip(arrays, offsets, strict=True)
    ]


def to_host(logits_C: Tensor, attention_CT: Tensor) -> tuple[Tensor, Tensor]:
    """Both results on the CPU; from a GPU in one copy to a pinned buffer."""
    if logits_C.device.type == "cpu":
        return logits_C, attention_CT
    packed = torch.cat([logits_C.unsqueeze(1), attention_CT], dim=1)
    host = torch.empty(packed.shape, dtype=packed.dtype, pin_memory=True)
    host.copy_(packed, non_blocking=True)
    torch.cuda.current_stream(packed.device).synchronize()
    return host[:, 0], host[:, 1:]
