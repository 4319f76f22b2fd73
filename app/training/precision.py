"""Half of a float where it does no harm: in matrix products, while a model trains."""

import torch

from app.training.options import Precision


def autocast(precision: Precision, device_type: str) -> torch.autocast:
    """For forward passes. Weights, sums, losses and recurrent states stay float32."""
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
