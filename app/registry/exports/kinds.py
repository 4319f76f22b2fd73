"""The runtimes that can be made of a version: their files, and what each of them may lose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.registry.manifest import ExportName

ExportedRuntime = Literal["torchscript", "aoti", "int8", "bf16"]

MAX_AUC_LOSS = 0.0005


@dataclass(frozen=True, slots=True)
class Kind:
    """One of them."""

    file: str
    max_ctr_difference: float  # of any candidate, golden or held out, unless one says otherwise


KINDS: Mapping[ExportName, Kind] = {
    "torchscript": Kind("runtimes/torchscript.pt", 1e-5),
    "aoti-cpu": Kind("runtimes/aoti-cpu.pt2", 1e-5),
    "aoti-cuda": Kind("runtimes/aoti-cuda.pt2", 1e-5),
    "bf16": Kind("runtimes/bf16.safetensors", 0.02),
    "int8": Kind("runtimes/int8.safetensors", 0.02),
}


def export_name(runtime: ExportedRuntime, device_type: str) -> ExportName:
    """What AOTInductor makes is good for one kind of device."""
    if runtime != "aoti":
        return runtime
    return "aoti-cuda" if device_type == "cuda" else "aoti-cpu"
