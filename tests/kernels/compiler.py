"""Where there is no C compiler there is no kernel, and torch serves: nothing to test then."""

import shutil

import pytest

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))),
    reason="needs a C compiler: without one the fused kernel is not built",
)
