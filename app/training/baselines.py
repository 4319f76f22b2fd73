"""What a model must beat: how often an item was clicked in training, whoever is asked."""

from dataclasses import dataclass

import numpy as np

from app.core.schema import OOV_ROW
from app.training.encoding import EncodedSamples
from app.training.evaluation import auc, gauc


@dataclass(frozen=True, slots=True)
class RankingQuality:
    """Of scores that are not probabilities."""

    auc: float
    gauc: float


def popularity(train: EncodedSamples, split: EncodedSamples) -> RankingQuality:
    """Each candidate scored by the training clicks on its item; an unknown item has none."""
    clicked = train.batch.candidates_CF[train.labels_C > 0, 0]
    items_C = split.batch.candidates_CF[:, 0]
    clicks = np.bincount(clicked, minlength=int(items_C.max()) + 1)
    scores_C = np.where(items_C == OOV_ROW, 0, clicks[items_C]).astype(np.float32)
    return RankingQuality(
        auc(scores_C, split.labels_C), gauc(scores_C, split.labels_C, split.user_ids_C)
    )
