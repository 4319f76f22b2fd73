"""One seed, one result: torch's randomness and choice of algorithms, put back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Equal weights from equal inputs on one machine with one number of threads."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Sums of gradients over threads come in any order otherwise.
        torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic)


def seed_torch(*seeds: int) -> None:
    """Random numbers of their own for each combination, whatever was drawn before."""
    torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]))
