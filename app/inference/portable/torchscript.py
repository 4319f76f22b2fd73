"""A whole model as a TorchScript archive, which runs without any of this code, and its runtime."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from app.core.batch import RaggedBatch, Scores
from app.core.schema import FeatureSchema
from app.errors import ArtifactRefused
from app.inference.device import to_device, to_host
from app.inference.engine import TorchWork
from app.inference.portable.example import example_batch
from app.inference.portable.loops import scripted_loop
from app.inference.portable.model import PortableModel, portable_inputs
from app.inference.portable.padding import pad_steps
from app.inference.workers import ThreadWorkers
from app.models.factory import Model

CPU = torch.device("cpu")


class WholeModel(nn.Module):
    """The tensors of a `RaggedBatch`, in their order, to logits [C] and attention [C, T]."""

    def __init__(self, model: Model, schema: FeatureSchema) -> None:
        super().__init__()
        self.model = model
        self.portable = PortableModel(model, schema, torch.jit.script(scripted_loop))
        self._pad = torch.jit.script(pad_steps)

    def forward(self, *ragged: Tensor) -> tuple[Tensor, Tensor]:
        inputs = portable_inputs(self.model, ragged, self._pad, fewest=1)
        scores: tuple[Tensor, Tensor] = self.portable(*inputs)
        return scores


def write_torchscript(model: Model, schema: FeatureSchema, path: Path) -> None:
    """Tables and all, for the CPU."""
    example = tuple(to_device(example_batch(schema).arrays(), CPU))
    with _on_its_way_out(), torch.inference_mode():
        whole = WholeModel(model, schema).eval()
        traced = torch.jit.trace(whole, example, check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path))


class TorchScriptRuntime:
    """Runs an archive; torch releases the GIL in every operation."""

    name = "torchscript"
    detail = None
    device = CPU

    def __init__(self, path: Path) -> None:
        """Raises ArtifactRefused for a file that is no archive."""
        try:
            with _on_its_way_out():
                self._module = torch.jit.load(str(path), map_location=CPU)  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:  # ValueError: there is no such file
            reason = str(error).strip().splitlines()[0]
            raise ArtifactRefused(f"{path} is no TorchScript archive: {reason}") from error

    def prepare(self, batch: RaggedBatch, _user_ids: Sequence[str] = ()) -> TorchWork:
        return TorchWork(self, batch)

    def open_workers(self, threads: int, name: str) -> ThreadWorkers:
        return ThreadWorkers(threads, name)

    def score(self, batch: RaggedBatch) -> Scores:
        """Blocks its thread until the scores are there."""
        with torch.inference_mode():
            tensors = to_device(batch.arrays(), CPU)
            logits_C, attention_CT = to_host(*self._module(*tensors))
        longest = int(batch.lengths_U[batch.user_of_C].max(initial=0))
        return Scores(logits_C.numpy(), attention_CT[:, :longest].numpy())


@contextmanager
def _on_its_way_out() -> Iterator[None]:
    """Torch deprecates TorchScript in favor of torch.export (runtime `aoti`); both are served."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield
