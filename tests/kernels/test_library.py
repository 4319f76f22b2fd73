"""A kernel that is not there, or does not load, is a sentence and not a crash."""

import shutil
import subprocess

import pytest

from app.kernels.library import Kernel, KernelMissing, load_kernel
from tests.kernels.compiler import needs_compiler

pytestmark = needs_compiler


def test_this_installation_has_a_kernel():
    assert load_kernel().isa in ("avx512", "avx2", "generic")


def test_a_file_that_is_no_library_is_refused(tmp_path):
    broken = tmp_path / "_fused.so"
    broken.write_bytes(b"not a library")

    with pytest.raises(KernelMissing, match="the fused kernel does not load"):
        Kernel(broken)


def test_a_library_that_was_built_from_other_sources_is_refused(tmp_path):
    (tmp_path / "other.c").write_text("int nothing;")
    library = tmp_path / "other.so"
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    command = (compiler, "-shared", "-fPIC", "-o", library, tmp_path / "other.c")
    subprocess.run(command, check=True)  # noqa: S603 - the compiler

    with pytest.raises(KernelMissing, match="the fused kernel was built from other sources"):
        Kernel(library)


def test_an_instruction_set_that_there_is_not_is_not_chosen():
    kernel = load_kernel()
    before = kernel.isa

    assert not kernel.use_isa("mmx")
    assert kernel.isa == before
