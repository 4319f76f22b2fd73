"""Both contestants of the race for attention and AUGRU score the same candidates."""

from pathlib import Path

import pytest

from app.kernels.library import load_kernel
from app.registry.model_store import ModelStore
from bench.candidate_half import eager, fused
from bench.race.per_row_dien import per_row_dien
from bench.race.runtimes import make_entry
from tests.artifacts import publish_tiny_version
from tests.kernels.compiler import needs_compiler


@needs_compiler
@pytest.mark.parametrize("behaviors", [9, 0])
def test_the_kernel_and_torch_score_the_same_candidates(tmp_path: Path, behaviors: int) -> None:
    manifest = publish_tiny_version(tmp_path, side_fields=())
    artifact = ModelStore(tmp_path).load(manifest.name, manifest.version)
    entry = make_entry(artifact, per_row_dien(artifact), tmp_path, (7, behaviors))

    by_torch, _ = eager(artifact, entry.batch)()
    by_kernel = fused(artifact, entry.batch, load_kernel().isa)()

    assert by_torch.shape == (7,)
    assert by_kernel.logits_C == pytest.approx(by_torch.numpy(), abs=1e-5)
