"""The reference runtime: a model as training differentiates it, run by torch, eager."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from app.core.batch import RaggedBatch, Scores
from app.inference.device import to_device, to_host
from app.inference.workers import ThreadWorkers
from app.models.ctr_model import BehaviorFeatures, CandidateFeatures, CtrModel
from app.models.layers.embedding import SideFeatures


class Scoring(Protocol):
    """Whatever scores a batch on the thread that asks."""

    def score(self, batch: RaggedBatch) -> Scores:
        """Blocks its thread until the scores are on the host."""
        ...


class TorchWork:
    """A batch for any thread."""

    def __init__(self, engine: Scoring, batch: RaggedBatch) -> None:
        self._engine = engine
        self._batch = batch
        self._scores: Scores | None = None

    def run(self) -> None:
        self._scores = self._engine.score(self._batch)

    def scores(self) -> Scores:
        if self._scores is None:
            raise RuntimeError("it has not run")
        return self._scores


class Engine:
    """Runs both verbs without gradients; torch releases the GIL in every operation."""

    name = "reference"

    def __init__(
        self, model: CtrModel[Any], device: torch.device, *, detail: str | None = None
    ) -> None:
        """`detail`: what it runs on, or why no faster runtime serves where one was looked for."""
        self.device = device
        self.detail = detail
        self._model = model

    def prepare(self, batch: RaggedBatch, _user_ids: Sequence[str] = ()) -> "TorchWork":
        return TorchWork(self, batch)

    def open_workers(self, threads: int, name: str) -> ThreadWorkers:
        return ThreadWorkers(threads, name)

    def score(self, batch: RaggedBatch) -> Scores:
        """Blocks its thread until the scores are on the host."""
        with torch.inference_mode():
            (
                lengths_U,
                behaviors_NF,
                behavior_seconds_N,
                user_sparse_US,
                user_dense_UD,
                candidates_CF,
                candidate_sparse_CS,
                candidate_dense_CD,
                user_of_C,
            ) = to_device(batch.arrays(), self.device)
            user_states = self._model.encode_users(
                BehaviorFeatures(behaviors_NF, behavior_seconds_N),
                lengths_U,
                SideFeatures(user_sparse_US, user_dense_UD),
            )
            candidates = CandidateFeatures(
                candidates_CF, SideFeatures(candidate_sparse_CS, candidate_dense_CD)
            )
            logits_C, attention_CT = to_host(*self._model.score(user_states, candidates, user_of_C))
            return Scores(logits_C.numpy(), attention_CT.numpy())
