"""What every way to run a model has in common."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from app.core.batch import RaggedBatch, Scores
from app.inference.workers import Workers


class Work(Protocol):
    """One batch on its way through a runtime."""

    def run(self) -> None:
        """Blocks its thread until the scores are there."""
        ...

    def scores(self) -> Scores:
        """Once it has run, on the thread that prepared it."""
        ...


class Runtime(Protocol):
    """A model on its device: one ragged batch in, logits and attention out."""

    @property
    def name(self) -> str:
        """As in `CTR_RUNTIME` and `/v1/models`."""
        ...

    @property
    def detail(self) -> str | None:
        """What it runs on, or why it is not a faster one."""
        ...

    @property
    def device(self) -> torch.device: ...

    def prepare(self, batch: RaggedBatch, user_ids: Sequence[str] = ()) -> Work:
        """Everything that must not be done beside the event loop, and no more.

        user_ids: of the batch's users, for a runtime that keeps what it knows of them.
        """
        ...

    def open_workers(self, threads: int, name: str) -> Workers[Any]:
        """Threads for the work of this runtime and no other."""
        ...

    def score(self, batch: RaggedBatch) -> Scores:
        """Blocks its thread until the scores are on the host; any number of threads may call it."""
        ...
