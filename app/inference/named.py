"""A runtime under the name that it was asked for by."""

from collections.abc import Sequence
from typing import Any

import torch

from app.core.batch import RaggedBatch, Scores
from app.inference.runtime import Runtime, Work
from app.inference.workers import Workers


class Named:
    """Its detail says what runs it."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self.name = name
        self.detail = " ".join(filter(None, (runtime.name, runtime.detail)))
        self._runtime = runtime

    @property
    def device(self) -> torch.device:
        return self._runtime.device

    def prepare(self, batch: RaggedBatch, user_ids: Sequence[str] = ()) -> Work:
        return self._runtime.prepare(batch, user_ids)

    def open_workers(self, threads: int, name: str) -> Workers[Any]:
        return self._runtime.open_workers(threads, name)

    def score(self, batch: RaggedBatch) -> Scores:
        return self._runtime.score(batch)
