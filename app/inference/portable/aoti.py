"""Everything of a model but its tables, compiled by AOTInductor, and the runtime that calls it.

Tables stay outside: they are mapped from the version's weights, like those of other runtimes.
"""

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from app.core.batch import RaggedBatch, Scores
from app.core.schema import FeatureSchema
from app.errors import ArtifactRefused, StartupRefused
from app.inference.device import to_device, to_host
from app.inference.engine import TorchWork
from app.inference.portable.example import STEPS, example_batch
from app.inference.portable.loops import exported_loop
from app.inference.portable.model import PortableModel, portable_inputs
from app.inference.portable.padding import Ragged, pad_steps, with_fewest
from app.inference.workers import ThreadWorkers
from app.models.factory import Model

# U users, C candidates, T steps

COMPILERS = ("g++", "clang++", "c++")
INPUTS = "ctr_serve_inputs"  # of a package's metadata
FEWEST = 2  # of every size: torch.export takes a size of one for fixed

_loading = Lock()  # a package is unpacked and linked, which torch does for one at a time


def write_aoti(model: Model, schema: FeatureSchema, device: torch.device, path: Path) -> None:
    """Takes half a minute. Raises StartupRefused where it cannot be compiled."""
    compiler = os.environ.get("CXX")
    if not any(map(shutil.which, [compiler] if compiler else COMPILERS)):
        raise StartupRefused("aoti needs a C++ compiler and there is none: install g++")
    portable = PortableModel(model.to(device), schema, exported_loop).eval()
    example = _example(model, schema, device)
    try:
        _compile(portable, example, path)
    except Exception as error:  # what compilers stumble over has no common class
        reason = str(error).strip().split("\n", 1)[0]
        raise StartupRefused(f"AOTInductor cannot compile this model: {reason}") from error


def _compile(portable: PortableModel, example: tuple[Tensor, ...], path: Path) -> None:
    from torch._inductor import aoti_compile_and_package  # noqa: PLC0415 - takes a second

    size = torch.export.Dim.DYNAMIC(min=FEWEST)
    by_rank = {1: {0: size}, 2: {0: size}, 3: {0: size, 1: size}}
    lengths, _, users, *embedded = (by_rank[tensor.dim()] for tensor in example)
    sizes = (lengths, {0: size, 1: size}, users, tuple(embedded))
    # torch.export does not take the tensors of inference_mode.
    with warnings.catch_warnings(), torch.set_grad_enabled(False):
        warnings.simplefilter("ignore")  # torch warns of what it does itself while it compiles
        exported = torch.export.export(portable, example, dynamic_shapes=sizes)
        exported = exported.run_decompositions({torch.ops.aten.addmm.default: _added_apart})
        aoti_compile_and_package(
            exported,
            package_path=str(path),
            inductor_configs={"aot_inductor.metadata": {INPUTS: _described(example)}},
        )


def _added_apart(added: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """A whole matrix costs less added with what follows than copied to where the product goes."""
    return left @ right + added if added.dim() == 2 else NotImplemented


def cpu_kind() -> str:
    """The vector instructions that a package is compiled for: others cannot run it."""
    kind: str = torch.backends.cpu.get_cpu_capability()
    return kind


class AotiRuntime:
    """Runs a package; so many batches at the same time as it was opened for."""

    name = "aoti"

    def __init__(self, path: Path, model: Model, device: torch.device, *, at_a_time: int) -> None:
        """`model` has the tables. Raises ArtifactRefused for a file that is no package."""
        from torch._inductor.package.package import load_package  # noqa: PLC0415 - takes a second

        self.device = device
        self.detail = cpu_kind() if device.type == "cpu" else None
        self._model = model
        try:
            with _loading:
                package = load_package(str(path), num_runners=at_a_time)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ArtifactRefused(f"{path} is no AOTInductor package: {reason}") from error
        # None: an older ctr-serve made it, which did not say.
        self.inputs: str | None = package.loader.get_metadata().get(INPUTS)
        self._run = package.loader.boxed_run

    def prepare(self, batch: RaggedBatch, _user_ids: Sequence[str] = ()) -> TorchWork:
        return TorchWork(self, batch)

    def open_workers(self, threads: int, name: str) -> ThreadWorkers:
        return ThreadWorkers(threads, name)

    def score(self, batch: RaggedBatch) -> Scores:
        """Blocks its thread until the scores are on the host."""
        candidates = len(batch.user_of_C)
        longest = int(batch.lengths_U[batch.user_of_C].max(initial=0))
        with torch.inference_mode():
            inputs = _inputs(self._model, tuple(to_device(batch.arrays(), self.device)))
            logits_C, attention_CT = to_host(*self._run(list(inputs)))
        return Scores(logits_C[:candidates].numpy(), attention_CT[:candidates, :longest].numpy())


def inputs_of(model: Model, schema: FeatureSchema, device: torch.device) -> str:
    """What a package of this model takes, if this code made it."""
    return _described(_example(model, schema, device))


def _described(example: tuple[Tensor, ...]) -> str:
    """Types and numbers of dimensions; of embedded inputs the width too, which is fixed."""
    lengths, seconds, users, *embedded = example
    kinds = [f"{tensor.dtype}/{tensor.dim()}" for tensor in (lengths, seconds, users)]
    kinds += [f"{tensor.dtype}/{tensor.dim()}x{tensor.shape[-1]}" for tensor in embedded]
    return " ".join(kinds)


def _example(model: Model, schema: FeatureSchema, device: torch.device) -> tuple[Tensor, ...]:
    arrays = tuple(to_device(example_batch(schema).arrays(), device))
    return _inputs(model, arrays, STEPS)


def _inputs(model: Model, ragged: Ragged, fewest_steps: int = FEWEST) -> tuple[Tensor, ...]:
    """What the compiled part takes, no size of it below the fewest."""
    return portable_inputs(model, with_fewest(ragged, FEWEST), pad_steps, fewest=fewest_steps)
