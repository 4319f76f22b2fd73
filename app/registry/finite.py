"""Whether the numbers of a file are numbers: a table may be larger than memory."""

from pathlib import Path

import numpy as np

from app.core.tensor_file import Numbers, TensorFile

BFLOAT16_EXPONENT = 0x7F80  # all ones in infinity and NaN


def non_finite(path: Path) -> str | None:
    """The first array with an infinity or a NaN in it, read a part at a time."""
    file = TensorFile(path)
    for name, entry in file.entries.items():
        if not all(_is_finite(part, entry.type_name) for part in file.parts(name)):
            return name
    return None


def _is_finite(numbers: Numbers, type_name: str) -> bool:
    if type_name == "BF16":
        return not ((numbers & BFLOAT16_EXPONENT) == BFLOAT16_EXPONENT).any()
    return not np.issubdtype(numbers.dtype, np.floating) or bool(np.isfinite(numbers).all())
