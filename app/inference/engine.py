"""The reference runtime: a model as training differentiates it, run by torch, eager."""

from collections.abc import Sequence
from typing import Any

import torch

from app.core.batch import RaggedBatch, Scores
from app.inference.device import to_device, to_host
from app.models.ctr_model import BehaviorFeatures, CandidateFeatures, CtrModel
from app.models.layers.embedding import SideFeatures


class Engine:
    """Runs both verbs without gradients; torch releases the GIL in every operation."""

    name = "reference"

    def __init__(
        self, model: CtrModel[Any], device: torch.device, *, reason: str | None = None
    ) -> None:
        """`reason` why no faster runtime serves, where one was looked for."""
        self.device = device
        self.detail = reason
        self._model = model

    def score(self, batch: RaggedBatch, _user_ids: Sequence[str] = ()) -> Scores:
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
