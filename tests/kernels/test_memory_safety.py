"""The kernel under AddressSanitizer and UBSan: no read or write outside, nothing undefined."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "app" / "kernels" / "native"
SCORING = """
import sys
from pathlib import Path
from select import select
from app.inference.fused.runtime import FusedRuntime
from app.kernels.library import Kernel
from app.kernels.workers import KernelWorkers
from tests.inference.batches import draw_batch, ragged
from app.models.layers.stored_table import STORED_TABLES
from tests.inference.fused.runtimes import FUSED_CONFIGS, fused
from tests.models.builders import FULL_SCHEMA
from tests.models.stored_models import stored_model

SHAPES = (([0], [0]), ([1], []), ([5, 0, 12], [0, 2, 1] * 17), ([3], [0] * 49))
kernel = Kernel(Path(sys.argv[1]))
isas = [isa for isa in ("avx512", "avx2", "generic") if kernel.use_isa(isa)]
for isa in isas:
    kernel.use_isa(isa)
    for config in FUSED_CONFIGS.values():
        for lengths, users in SHAPES:
            fused(config, kernel=kernel).score(ragged(draw_batch(lengths, users)))

for table_format in STORED_TABLES:
    model = stored_model(FUSED_CONFIGS["wide"], table_format)
    runtime = FusedRuntime(model, FUSED_CONFIGS["wide"], FULL_SCHEMA, kernel)
    runtime.score(ragged(draw_batch([5, 0, 12], [0, 2, 1] * 17)))

runtime = fused(FUSED_CONFIGS["wide"], kernel=kernel)
batches = [ragged(draw_batch([5, 2], [0, 1] * 30, seed=seed)) for seed in range(40)]
works = [runtime.prepare(batch) for batch in batches]
workers = KernelWorkers(kernel, 3)
for work in works:
    workers.submit(work.task)
withdrawn = {work for work in works[::-2] if workers.withdraw(work.task)}
assert not any(workers.withdraw(work.task) for work in withdrawn)
finished = set()
while len(finished) < len(works) - len(withdrawn):
    select([workers.finished_fd], [], [])
    finished |= set(workers.finished())
workers.stop()
for batch, work in zip(batches, works, strict=True):
    if work not in withdrawn:
        assert work.scores().logits_C.tolist() == runtime.score(batch).logits_C.tolist()
print(len(isas))
"""


GCC = shutil.which("gcc")
SANITIZED = ["-fsanitize=address,undefined"]


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(  # noqa: S603
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.mark.skipif(GCC is None, reason="needs gcc for its sanitizers")
def test_nothing_is_read_or_written_outside(tmp_path):
    library = tmp_path / "sanitized.so"
    flags = ["-O1", "-g", "-std=gnu11", "-fPIC", "-fno-sanitize-recover=all", *SANITIZED]

    def compiled(source):
        run(GCC, *flags, "-c", "-o", tmp_path / f"{source.stem}.o", source)
        return tmp_path / f"{source.stem}.o"

    with ThreadPoolExecutor(os.cpu_count()) as compilers:
        objects = list(compilers.map(compiled, NATIVE.glob("*.c")))
    run(GCC, "-shared", *SANITIZED, "-o", library, *objects)
    sanitizers = [run(GCC, f"-print-file-name={name}") for name in ("libasan.so", "libubsan.so")]
    # The fake stack that GCC uses for it, from 13 on by default, is too little aligned for AVX-512.
    options = "detect_leaks=0:detect_stack_use_after_return=0"
    environment = {"LD_PRELOAD": " ".join(sanitizers), "ASAN_OPTIONS": options}

    isas = run(
        sys.executable,
        *("-c", SCORING, library),
        env=os.environ | environment,
        cwd=Path(__file__).parents[2],
    )

    assert int(isas) >= 1
