"""Logits of a whole split from a model that is still on the trainer's bench."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.batch import Floats, RaggedBatch
from app.inference.device import to_device
from app.models.ctr_model import BehaviorFeatures, CandidateFeatures
from app.models.factory import Model
from app.models.layers.embedding import SideFeatures
from app.training.batches import BatchCutter
from app.training.encoding import EncodedSamples

USERS_PER_BATCH = 1024


def predict(model: Model, split: EncodedSamples) -> Floats:
    """Logits [C] in the order of the samples; the model is left in evaluation mode."""
    model.eval()
    logits_C = np.empty(len(split.labels_C), np.float32)
    cutter = BatchCutter(split)
    # Users of like length together: fewer recurrent steps, and no score depends on its batch.
    by_length = np.argsort(split.batch.lengths_U, kind="stable")
    with torch.inference_mode():
        for start in range(0, split.users, USERS_PER_BATCH):
            part = cutter.cut(by_length[start : start + USERS_PER_BATCH])
            _, logits = forward(model, part.batch)
            logits_C[part.rows_C] = logits.cpu().numpy()
    return logits_C


def forward(model: Model, batch: RaggedBatch) -> tuple[Any, Tensor]:
    """Both verbs, where the model is: user states and logits [C]."""
    arrays = to_device(batch.arrays(), device_of(model))
    lengths_U, behaviors_NF, behavior_seconds_N, user_sparse_US, user_dense_UD = arrays[:5]
    candidates_CF, candidate_sparse_CS, candidate_dense_CD, user_of_C = arrays[5:]
    user_states = model.encode_users(
        BehaviorFeatures(behaviors_NF, behavior_seconds_N),
        lengths_U,
        SideFeatures(user_sparse_US, user_dense_UD),
    )
    candidates = CandidateFeatures(
        candidates_CF, SideFeatures(candidate_sparse_CS, candidate_dense_CD)
    )
    logits_C, _ = model.score(user_states, candidates, user_of_C)
    return user_states, logits_C


def device_of(model: Model) -> torch.device:
    return next(model.parameters()).device
