"""The runtime that a version is served with: of its own model, or one that was exported."""

from pathlib import Path
from typing import Literal

import torch

from app.errors import ArtifactRefused, StartupRefused
from app.inference.choice import ModelRuntime, choose_runtime
from app.inference.cpus import usable_cpus
from app.inference.fused.runtime import KeptStates
from app.inference.named import Named
from app.inference.portable.aoti import AotiRuntime, cpu_kind, inputs_of
from app.inference.portable.torchscript import TorchScriptRuntime
from app.inference.runtime import Runtime
from app.models.factory import Model
from app.registry.exports.kinds import ExportedRuntime, export_name
from app.registry.exports.stored_file import read_stored_model
from app.registry.golden import TOLERANCE
from app.registry.manifest import Export
from app.registry.model_store import DELETED, Artifact
from app.registry.trained_model import trained_model

RuntimeName = Literal[ModelRuntime, ExportedRuntime]


def load_runtime(
    artifact: Artifact,
    wanted: RuntimeName,
    device: torch.device,
    kept: KeptStates | None = None,
) -> tuple[Runtime, float]:
    """The runtime, and how much a golden CTR may differ from what it should be.

    Raises ArtifactRefused, or StartupRefused for one that cannot be had.
    """
    match wanted:
        case "auto" | "reference" | "fused":
            model = trained_model(artifact)
            return _run(artifact, model, wanted, device, kept), TOLERANCE
        case _:
            export = _export_of(artifact, wanted, device)
            path = artifact.path_of(export.file, export)
            tolerance = export.golden_ctr_difference + TOLERANCE
            try:
                return open_export(artifact, wanted, path, device, kept), tolerance
            except FileNotFoundError:
                raise ArtifactRefused(f"{path}: {DELETED}") from None


def open_export(
    artifact: Artifact,
    runtime: ExportedRuntime,
    path: Path,
    device: torch.device,
    kept: KeptStates | None = None,
) -> Runtime:
    """From a file that is what it should be. Raises ArtifactRefused if it does not fit."""
    match runtime:
        case "int8" | "bf16":
            model = read_stored_model(artifact, runtime, path)
            return Named(_run(artifact, model, "auto", device, kept), runtime)
        case "torchscript":
            if device.type != "cpu":
                raise StartupRefused(
                    f"the torchscript runtime runs on the CPU, not on {device}: choose "
                    "CTR_DEVICE=cpu, or another CTR_RUNTIME"
                )
            return TorchScriptRuntime(path)
        case "aoti":
            model = trained_model(artifact).to(device)
            package = AotiRuntime(path, model, device, at_a_time=usable_cpus())
            if package.inputs != inputs_of(model, artifact.manifest.features, device):
                raise ArtifactRefused(
                    f"{artifact.reference}: another version of ctr-serve made its aoti runtime, "
                    "which takes other inputs: export it again"
                )
            return package


def _run(
    artifact: Artifact,
    model: Model,
    wanted: ModelRuntime,
    device: torch.device,
    kept: KeptStates | None,
) -> Runtime:
    manifest = artifact.manifest
    return choose_runtime(wanted, model, manifest.architecture, manifest.features, device, kept)


def _export_of(artifact: Artifact, runtime: ExportedRuntime, device: torch.device) -> Export:
    export = artifact.manifest.exports.get(export_name(runtime, device.type))
    if export is None:
        raise ArtifactRefused(
            f"CTR_RUNTIME={runtime}, but {artifact.reference} has no "
            f"{export_name(runtime, device.type)} runtime: "
            f"`ctr-serve export {artifact.reference} --runtime {runtime}` makes it"
        )
    if export.torch_version not in (None, torch.__version__):
        raise ArtifactRefused(
            f"{artifact.reference}: torch {export.torch_version} made its {runtime} runtime, and "
            f"this is torch {torch.__version__}: export it again"
        )
    if export.cpu not in (None, cpu_kind()):
        raise ArtifactRefused(
            f"{artifact.reference}: its {runtime} runtime was made for {export.cpu}, and this "
            f"CPU has {cpu_kind()}: export it again"
        )
    return export
