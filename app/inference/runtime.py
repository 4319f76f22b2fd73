"""What every way to run a model has in common."""

from collections.abc import Sequence
from typing import Protocol

import torch

from app.core.batch import RaggedBatch, Scores


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

    def score(self, batch: RaggedBatch, user_ids: Sequence[str] = ()) -> Scores:
        """Blocks its thread until the scores are on the host; any number of threads may call it.

        user_ids: of the batch's users, for a runtime that keeps what it knows of them.
        """
        ...
