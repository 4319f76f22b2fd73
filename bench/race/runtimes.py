"""Ways to run the same model without a server: ours on ragged batches, the usual ones per row.

To add a runtime, write a function that returns a `Compute` and name it in `RUNTIMES`.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._inductor import aoti_compile_and_package, aoti_load_package

from app.core.batch import RaggedBatch
from app.core.calibration import ctr_of
from app.inference.choice import choose_runtime
from app.inference.engine import Engine
from app.registry.model_store import Artifact
from app.registry.trained_model import trained_model
from bench.race.per_row_dien import PerRowDien

# R rows (user and candidate), T steps, F fields

Compute = Callable[[], NDArray[np.floating]]  # the CTR [R] of the one request


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of one user, as either kind of runtime wants it."""

    artifact: Artifact
    per_row: PerRowDien
    batch: RaggedBatch
    rows: tuple[Tensor, Tensor, Tensor]  # behaviors [R, T, F], lengths [R], candidates [R, F]
    work: Path


def make_entry(
    artifact: Artifact, per_row: PerRowDien, work: Path, shape: tuple[int, int]
) -> Entry:
    """A user with random behaviors, and random candidates."""
    candidates, behaviors = shape
    rng = np.random.default_rng(5)
    tables = [field.rows for field in artifact.manifest.features.behavior_fields]
    behaviors_TF = np.stack([rng.integers(1, rows, behaviors) for rows in tables], axis=1)
    candidates_RF = np.stack([rng.integers(1, rows, candidates) for rows in tables], axis=1)
    batch = RaggedBatch(
        lengths_U=np.array([behaviors]),
        behaviors_NF=behaviors_TF,
        behavior_seconds_N=np.arange(behaviors),
        user_sparse_US=np.empty((1, 0), np.int64),
        user_dense_UD=np.empty((1, 0), np.float32),
        candidates_CF=candidates_RF,
        candidate_sparse_CS=np.empty((candidates, 0), np.int64),
        candidate_dense_CD=np.empty((candidates, 0), np.float32),
        user_of_C=np.zeros(candidates, np.int64),
    )
    rows = (
        torch.from_numpy(behaviors_TF).unsqueeze(0).repeat(candidates, 1, 1),
        torch.full((candidates,), behaviors),
        torch.from_numpy(candidates_RF),
    )
    return Entry(artifact, per_row, batch, rows, work)


def two_verbs_eager(entry: Entry) -> Compute:
    """Our reference engine."""
    engine = Engine(trained_model(entry.artifact), torch.device("cpu"))
    calibration = entry.artifact.manifest.calibration
    return lambda: ctr_of(engine.score(entry.batch).logits_C, calibration)


def fused(entry: Entry) -> Compute:
    """Our kernel; users are not kept."""
    manifest = entry.artifact.manifest
    runtime = choose_runtime(
        "fused",
        trained_model(entry.artifact),
        manifest.architecture,
        manifest.features,
        torch.device("cpu"),
    )
    return lambda: ctr_of(runtime.score(entry.batch).logits_C, manifest.calibration)


def eager(entry: Entry) -> Compute:
    return _inference(entry.per_row, entry)


def torchscript(entry: Entry) -> Compute:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return _inference(torch.jit.freeze(torch.jit.script(entry.per_row)), entry)


def torch_compile(entry: Entry) -> Compute:
    return _inference(torch.compile(entry.per_row, dynamic=False), entry)


def aot_inductor(entry: Entry) -> Compute:
    program = torch.export.export(entry.per_row, entry.rows)
    package = aoti_compile_and_package(program, package_path=str(entry.work / "dien.pt2"))
    return _inference(aoti_load_package(package), entry)


def onnx_runtime(entry: Entry) -> Compute:
    import onnxruntime  # noqa: PLC0415 - only in the environment of this comparison

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(_onnx(entry), options)
    names = [argument.name for argument in session.get_inputs()]
    feed = {name: rows.numpy() for name, rows in zip(names, entry.rows, strict=True)}
    return lambda: session.run(None, feed)[0]


def openvino(entry: Entry) -> Compute:
    import openvino as ov  # noqa: PLC0415 - only in the environment of this comparison

    core = ov.Core()
    threads = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(_onnx(entry)), "CPU", threads)
    arrays = [tensor.numpy() for tensor in entry.rows]
    return lambda: compiled(arrays)[0]


# The first is what the others are compared with.
RUNTIMES: Mapping[str, Callable[[Entry], Compute]] = {
    "ours, reference engine": two_verbs_eager,
    "ours, fused kernel": fused,
    "per row, eager": eager,
    "per row, TorchScript": torchscript,
    "per row, torch.compile": torch_compile,
    "per row, AOTInductor": aot_inductor,
    "per row, ONNX Runtime": onnx_runtime,
    "per row, OpenVINO": openvino,
}


def _inference(model: Callable[..., Tensor], entry: Entry) -> Compute:
    def compute() -> NDArray[np.floating]:
        with torch.inference_mode():
            return model(*entry.rows).numpy()

    return compute


def _onnx(entry: Entry) -> str:
    """Exported once for both that read it; the steps are unrolled."""
    file = entry.work / "dien.onnx"
    if not file.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                entry.per_row,
                entry.rows,
                str(file),
                input_names=["behaviors", "lengths", "candidates"],
                dynamo=False,
            )
    return str(file)
