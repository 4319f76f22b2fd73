"""Weights as the kernel wants them: see `native/ctr_kernel.h` for why there are two ways."""

import numpy as np
from numpy.typing import NDArray

# O outputs, I inputs

Floats = NDArray[np.float32]

PANEL = 4
ALIGN_FLOATS = 16


def panels(weight_OI: Floats) -> Floats:
    """[O / PANEL, I, PANEL]: groups of outputs beside each other."""
    filled = _padded_rows(weight_OI, PANEL)
    grouped = filled.reshape(len(filled) // PANEL, PANEL, weight_OI.shape[1])
    return np.ascontiguousarray(grouped.transpose(0, 2, 1))


def columns(weight_OI: Floats) -> Floats:
    """[I, O padded]: a row for every input."""
    return np.ascontiguousarray(_padded_rows(weight_OI, ALIGN_FLOATS).T)


def padded(values_O: Floats) -> Floats:
    """[O padded], zero past the end."""
    return np.ascontiguousarray(_padded_rows(values_O, ALIGN_FLOATS))


def _padded_rows(values: Floats, multiple: int) -> Floats:
    missing = -len(values) % multiple
    return np.pad(values, [(0, missing), *([(0, 0)] * (values.ndim - 1))]).astype(np.float32)
