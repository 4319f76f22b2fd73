"""Everything of a model but its tables, compiled by AOTInductor, and the runtime that calls it.

Tables stay outside: they are mapped from the version's weights, like those of other runtimes.
"""

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from app.core.batch import RaggedBatch, Scores
from app.core.schema import FeatureSchema
from app.errors import ArtifactRefused, StartupRefused
from app.inference.device import to_device, to_host
from app.inference.engine import TorchWork
from app.inference.portable.example import example_batch
from app.inference.portable.interest import PortableArchitecture
from app.inference.portable.model import PortableModel
from app.inference.portable.padding import (
    Ragged,
    embedded_behaviors,
    embedded_rest,
    pad_steps,
)
from app.inference.portable.walk import EXPORTED
from app.inference.workers import ThreadWorkers
from app.models.factory import Model
from app.models.interest_model import InterestModel

# U users, C candidates, T steps, E embedding of all behavior fields

COMPILERS = ("g++", "clang++", "c++")
FEWEST = 2  # of every size: torch.export takes a size of one for fixed

_loading = Lock()  # a package is unpacked and linked, which torch does for one at a time


def write_aoti(
    model: Model,
    config: PortableArchitecture,
    schema: FeatureSchema,
    device: torch.device,
    path: Path,
) -> None:
    """Takes half a minute. Raises StartupRefused where it cannot be compiled."""
    if not isinstance(model, InterestModel):
        raise TypeError(f"there is no {type(model).__name__} for AOTInductor")
    compiler = os.environ.get("CXX")
    if not any(map(shutil.which, [compiler] if compiler else COMPILERS)):
        raise StartupRefused("aoti needs a C++ compiler and there is none: install g++")
    portable = PortableModel(model.to(device), config, schema, EXPORTED).to(device).eval()
    example = _inputs(model, tuple(to_device(example_batch(schema).arrays(), device)))
    try:
        _compile(portable, example, path)
    except Exception as error:  # what compilers stumble over has no common class
        reason = str(error).strip().split("\n", 1)[0]
        raise StartupRefused(f"AOTInductor cannot compile this model: {reason}") from error


def _compile(portable: PortableModel, example: tuple[Tensor, ...], path: Path) -> None:
    from torch._inductor import aoti_compile_and_package  # noqa: PLC0415 - takes a second

    size = torch.export.Dim.DYNAMIC(min=FEWEST)
    sizes = ({0: size, 1: size}, *({0: size} for _ in example[1:]))
    # torch.export does not take the tensors of inference_mode.
    with warnings.catch_warnings(), torch.set_grad_enabled(False):
        warnings.simplefilter("ignore")  # torch warns of what it does itself while it compiles
        exported = torch.export.export(portable, example, dynamic_shapes=sizes)
        aoti_compile_and_package(exported, package_path=str(path))


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

        if not isinstance(model, InterestModel):
            raise TypeError(f"there is no {type(model).__name__} for AOTInductor")
        self.device = device
        self.detail = cpu_kind() if device.type == "cpu" else None
        self._model = model
        try:
            with _loading:
                package = load_package(str(path), num_runners=at_a_time)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ArtifactRefused(f"{path} is no AOTInductor package: {reason}") from error
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


def _inputs(model: InterestModel[Any], ragged: Ragged) -> tuple[Tensor, ...]:
    """What the compiled part takes, no size of it below the fewest."""
    lengths_U, user_of_C = ragged[0], ragged[-1]
    behaviors_TUE = pad_steps(embedded_behaviors(model, ragged), lengths_U)
    profile_UI, candidates_CE, side_CS = embedded_rest(model, ragged)
    users, candidates = len(lengths_U), len(user_of_C)
    if min(*behaviors_TUE.shape[:2], candidates) < FEWEST:
        more_U, more_C = max(0, FEWEST - users), max(0, FEWEST - candidates)
        more_T = max(0, FEWEST - behaviors_TUE.shape[0])
        behaviors_TUE = pad(behaviors_TUE, (0, 0, 0, more_U, 0, more_T))
        lengths_U, profile_UI = pad(lengths_U, (0, more_U)), pad(profile_UI, (0, 0, 0, more_U))
        candidates_CE, side_CS = (pad(part, (0, 0, 0, more_C)) for part in (candidates_CE, side_CS))
        user_of_C = pad(user_of_C, (0, more_C))
    return behaviors_TUE, lengths_U, profile_UI, candidates_CE, side_CS, user_of_C
