"""Scores are the same bits whichever compiler built the kernel: its sums say how they round."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.kernels.library import Kernel, load_kernel
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import each_fused_config, fused
from tests.kernels.compiler import needs_compiler

pytestmark = needs_compiler

NATIVE = Path(__file__).parents[2] / "app" / "kernels" / "native"
FLAGS = ("-O0", "-ffp-contract=off", "-std=gnu11", "-fPIC")


@pytest.fixture(scope="module", params=["gcc", "clang"])
def unoptimized(request, tmp_path_factory):
    """By each compiler of this machine, which does as it is told then."""
    compiler, folder = shutil.which(request.param), tmp_path_factory.mktemp(request.param)
    if compiler is None:
        pytest.skip(f"this machine has no {request.param}")

    def compiled(source):
        to = folder / f"{source.stem}.o"
        command = [compiler, *FLAGS, "-c", "-o", to, source]
        subprocess.run(command, check=True)  # noqa: S603 - the compiler
        return to

    with ThreadPoolExecutor(os.cpu_count()) as compilers:
        objects = list(compilers.map(compiled, NATIVE.glob("*.c")))
    command = [compiler, "-shared", "-pthread", "-o", folder / "kernel.so", *objects]
    subprocess.run(command, check=True)  # noqa: S603 - the compiler
    return Kernel(folder / "kernel.so")


@pytest.fixture(params=["avx512", "avx2", "generic"])
def kernels(request, unoptimized):
    """The installed kernel and the other one, on each instruction set."""
    installed = load_kernel()
    best = installed.isa
    if not (installed.use_isa(request.param) and unoptimized.use_isa(request.param)):
        pytest.skip(f"this CPU has no {request.param}")
    yield installed, unoptimized
    installed.use_isa(best)


@each_fused_config
def test_no_compiler_and_no_optimization_changes_a_bit(config, kernels):
    batch = ragged(draw_batch([9, 0, 4], [0] * 57 + [1] * 3 + [2] * 18))

    installed, unoptimized = [fused(config, kernel=kernel).score(batch) for kernel in kernels]

    assert installed.logits_C.tolist() == unoptimized.logits_C.tolist()
    assert installed.attention_CT.tolist() == unoptimized.attention_CT.tolist()
