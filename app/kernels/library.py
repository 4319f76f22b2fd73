"""The compiled kernel, if this installation has one."""

import ctypes
from functools import cache
from pathlib import Path

from app.kernels.structures import LAYOUT, Model, Task, declare

FOLDER = Path(__file__).parent
_OUTDATED = "the fused kernel was built from other sources: reinstall"


class KernelMissing(Exception):
    """There is no kernel to load; the text says why and what to do."""


class Kernel:
    """Calls into the library; the GIL is released for as long as one takes."""

    def __init__(self, path: Path) -> None:
        """Raises KernelMissing for a file that cannot be loaded, or that was built for another."""
        try:
            self.library = ctypes.CDLL(str(path))
            declare(self.library)
        except OSError as error:
            raise KernelMissing(f"the fused kernel does not load: {error}") from error
        except AttributeError:
            raise KernelMissing(_OUTDATED) from None
        if self.library.ctr_layout() != LAYOUT:
            raise KernelMissing(_OUTDATED)

    @property
    def isa(self) -> str:
        """The instruction set that was chosen: avx512, avx2 or generic."""
        name: bytes = self.library.ctr_isa()
        return name.decode()

    def use_isa(self, name: str) -> bool:
        """Chooses another one, for all who use the library; False if this CPU does not have it."""
        return int(self.library.ctr_use_isa(name.encode())) == 0

    def floats_of_user_states(self, model: Model, behaviors: int) -> int:
        """How large the states of a user with so many behaviors are."""
        return int(self.library.ctr_floats_of_user_states(ctypes.byref(model), behaviors))

    def score(self, task: Task) -> None:
        """Fills states, logits [C] and attention [C, longest], which comes zeroed."""
        task.failed = self.library.ctr_score(
            task.model, task.batch, task.logits_C, task.attention_CT
        )


@cache
def load_kernel() -> Kernel:
    """The kernel of this installation. Raises KernelMissing if it was not built."""
    for path in FOLDER.glob("_fused*.so"):
        return Kernel(path)
    raise KernelMissing("the fused kernel was not built: install a C compiler and reinstall")
