"""How much is computed at the same time where nobody said: a GPU wants few and large batches."""

import torch

from app.inference.cpus import usable_cpus


def default_engine_threads(device: torch.device) -> int:
    """Batches at the same time, per model.

    A batch on a GPU is a thousand small launches by one thread of Python; a second thread only
    takes the interpreter's lock from the first, and batches stay small.
    """
    return 1 if device.type == "cuda" else usable_cpus()


def default_batch_pairs(device: torch.device) -> int:
    """Candidate-behavior pairs in a batch at most: on a GPU many take as long as few."""
    return 400_000 if device.type == "cuda" else 20_000
