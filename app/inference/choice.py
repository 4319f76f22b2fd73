"""Which runtime a model is run with: the fused kernel wherever it can be."""

from typing import Literal

import torch

from app.core.schema import FeatureSchema
from app.errors import StartupRefused
from app.inference.engine import Engine
from app.inference.fused.runtime import FusedRuntime, KeptStates
from app.inference.fused.support import FusedArchitecture, why_not_fused
from app.inference.runtime import Runtime
from app.kernels.library import Kernel, KernelMissing, load_kernel
from app.models.factory import Architecture, Model
from app.models.layers.one_launch import how_recurrences_run

ModelRuntime = Literal["auto", "reference", "fused"]  # of a model as it is


def choose_runtime(
    wanted: ModelRuntime,
    model: Model,
    architecture: Architecture,
    schema: FeatureSchema,
    device: torch.device,
    kept: KeptStates | None = None,
) -> Runtime:
    """`auto` takes the fused runtime if it can. Raises StartupRefused if `fused` cannot be had."""
    if wanted == "reference":
        return _engine(model, device, reason=None)
    kernel, reason = _kernel_for(architecture, device)
    if kernel is not None and isinstance(architecture, FusedArchitecture):
        return FusedRuntime(model, architecture, schema, kernel, kept)
    if wanted == "fused":
        raise StartupRefused(f"CTR_RUNTIME=fused, but {reason}")
    return _engine(model, device, reason)


def _engine(model: Model, device: torch.device, reason: str | None) -> Engine:
    model = model.to(device)
    on_gpu = how_recurrences_run(model) if device.type == "cuda" else None
    return Engine(model, device, detail=on_gpu or reason)


def _kernel_for(architecture: Architecture, device: torch.device) -> tuple[Kernel | None, str]:
    if device.type != "cpu":
        return None, f"the fused kernel runs on the CPU, not on {device}"
    reason = why_not_fused(architecture)
    if reason is not None:
        return None, reason
    try:
        return load_kernel(), ""
    except KernelMissing as missing:
        return None, str(missing)
